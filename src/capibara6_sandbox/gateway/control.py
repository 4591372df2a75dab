"""E2B's control plane: sandboxes are created, found, extended and ended here."""

import json
import uuid
from typing import Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from capibara6_guest.wire import CallError
from capibara6_sandbox import __version__
from capibara6_sandbox.errors import BadRequestError, NotFoundError, SandboxServerError
from capibara6_sandbox.gateway import failures
from capibara6_sandbox.gateway.bodies import read_model
from capibara6_sandbox.gateway.control_bodies import NewSandbox
from capibara6_sandbox.gateway.copy_calls import CopyCalls
from capibara6_sandbox.gateway.descriptions import describe, detail, handle
from capibara6_sandbox.gateway.idempotency import Repeats, idempotency_key
from capibara6_sandbox.gateway.keys import KeyMiddleware, given_key, holder_of, team_of
from capibara6_sandbox.gateway.life_calls import LifeCalls, check_timeout, path_id, sandbox_id
from capibara6_sandbox.gateway.listing import (
    Page,
    count_running,
    select_running,
    select_sandboxes,
)
from capibara6_sandbox.gateway.logs import LogCalls
from capibara6_sandbox.gateway.memory_label import with_label
from capibara6_sandbox.gateway.metering import Meters
from capibara6_sandbox.gateway.metrics import MetricCalls
from capibara6_sandbox.gateway.network_calls import (
    NetworkCalls,
    https_ports_of,
    mask_of,
    policy_of,
)
from capibara6_sandbox.gateway.secrets import SecretCalls
from capibara6_sandbox.gateway.templates import TemplateCalls
from capibara6_sandbox.gateway.volumes import VolumeCalls, resolve_mounts
from capibara6_sandbox.host import sandbox as host
from capibara6_sandbox.host.copies import Copies, Origin
from capibara6_sandbox.host.keeper import Keeper
from capibara6_sandbox.host.key_records import TEAM_DEFAULT, KeyRecord
from capibara6_sandbox.templates.catalog import TEMPLATES, Template, absence

TEAM_ID: Final = "00000000-0000-0000-0000-000000000001"
_TEAMS: Final = uuid.UUID(TEAM_ID)  # the name space of other teams' ids
ENV_BYTES_MAX: Final = 60_000  # with our own, they fit into one packet to the agent


def create_control_app(
    keeper: Keeper, meters: Meters, domain: str, timeout_s_max: int
) -> Starlette:
    """Build the control plane.

    Args:
        keeper: all sandboxes, and the keys.
        meters: count what holders of keys take.
        domain: what sandboxes report as their domain, with port; used by `get_host`.
        timeout_s_max: the longest lifetime that may be asked for; 0 for no limit.
    """
    copies = Copies(keeper)
    control = Control(keeper, copies, domain, timeout_s_max)
    return Starlette(
        routes=[
            Route("/health", control.health),
            Route("/teams", control.teams, methods=["GET"]),
            Route("/sandboxes", control.create, methods=["POST"]),
            Route("/v2/sandboxes", control.create_secured, methods=["POST"]),
            Route("/sandboxes", control.list_running, methods=["GET"]),
            Route("/v2/sandboxes", control.list, methods=["GET"]),
            *MetricCalls(keeper).routes(),
            Route("/sandboxes/{id}", control.info, methods=["GET"]),
            *LifeCalls(keeper, domain, timeout_s_max).routes(),
            *TemplateCalls(keeper.workshop).routes(),
            Route("/templates/{id:path}", control.remove_template, methods=["DELETE"]),
            *CopyCalls(copies, keeper, domain, timeout_s_max).routes(),
            *NetworkCalls(keeper).routes(),
            *LogCalls(keeper).routes(),
            *VolumeCalls(keeper.foundry.volumes).routes(),
            *SecretCalls(keeper.foundry.secrets).routes(),
        ],
        middleware=[Middleware(KeyMiddleware, keys=keeper.keys, meters=meters)],
        exception_handlers={
            SandboxServerError: failures.on_server_error,
            CallError: failures.on_call_error,
            OSError: failures.on_os_error,
            404: _no_route,
            405: _no_route,
        },
    )


async def _no_route(request: Request, failure: Exception) -> JSONResponse:
    status = getattr(failure, "status_code", 404)
    return failures.error_response(status, f"No {request.method} {request.url.path} here.")


class Control:
    """The endpoints."""

    def __init__(self, keeper: Keeper, copies: Copies, domain: str, timeout_s_max: int) -> None:
        self._keeper = keeper
        self._copies = copies
        self._domain = domain
        self._timeout_s_max = timeout_s_max
        self._repeats = Repeats()

    async def health(self, request: Request) -> Response:
        """Answer that the server lives."""
        return JSONResponse({"status": "ok", "version": __version__})

    async def teams(self, request: Request) -> Response:
        """Return the one team there is for a key: its own."""
        name = team_of(request)
        team = {
            "teamID": team_id(name),
            "name": "capibara6" if name == TEAM_DEFAULT else name,
            "apiKey": given_key(request.headers),
            "isDefault": True,
        }
        return JSONResponse([team])

    async def create(self, request: Request) -> Response:
        """Create a sandbox, secured if asked to (the first generation of the protocol)."""
        return await self._create_once(request, secure=None)

    async def create_secured(self, request: Request) -> Response:
        """Create a sandbox with tokens."""
        return await self._create_once(request, secure=True)

    async def _create_once(self, request: Request, *, secure: bool | None) -> Response:
        """Create a sandbox, but not a second one for the same key."""
        key = idempotency_key(request)
        body = await read_model(request, NewSandbox)
        asked = f"{secure} {body.model_dump_json()}"
        holder = holder_of(request)
        made = await self._repeats.once(
            f"{holder.team}/{key}" if key else "",
            asked,
            lambda: self._create(body, holder, secure=secure),
        )
        return JSONResponse(made, 201)

    async def _create(
        self, body: NewSandbox, holder: KeyRecord, *, secure: bool | None
    ) -> dict[str, Any]:
        origin = self._find_origin(body.templateID, holder.team)
        env = {**origin.env, **(body.envVars or {})}
        _refuse_unsupported(body)
        check_timeout(body.timeout, self._timeout_s_max)
        _refuse_large(env)
        public = body.network is None or body.network.allowPublicTraffic is not False
        sandbox = await self._copies.start(
            origin,
            host.Request(
                template=self._sized(origin.template, body),
                timeout_s=body.timeout,
                metadata=body.metadata or {},
                env=env,
                secure=bool(body.secure) if secure is None else secure,
                allow_public_traffic=public,
                mask_request_host=mask_of(body.network),
                https_ports=https_ports_of(body.network),
                volumes=resolve_mounts(
                    self._keeper.foundry.volumes, body.volumeMounts or [], holder.team
                ),
                policy=policy_of(body.network, internet=body.allow_internet_access),
                auto_pause=body.autoPause,
                auto_pause_memory=body.autoPauseMemory,
                auto_resume=body.autoResume is not None and body.autoResume.enabled,
                team=holder.team,
                key_id=holder.id,
            ),
        )
        self._keeper.workshop.note_use(origin.template.name)
        return handle(sandbox, self._domain)

    def _sized(self, template: Template, body: NewSandbox) -> Template:
        """With the memory that was asked for, where memory can be bounded one by one."""
        sized = with_label(template, body.metadata or {})
        return sized if self._keeper.foundry.bounds_memory else template

    def _find_origin(self, name: str, team: str) -> Origin:
        """Return the template or snapshot that a client names, and the variables it brings."""
        if name in TEMPLATES:
            return Origin(TEMPLATES[name])
        if (own := self._keeper.workshop.resolve(name, team)) is not None:
            return Origin(own, dict(own.env))
        found = self._copies.origin(name, team)
        if found is None:
            known = ", ".join(TEMPLATES)
            text = absence(name) or f"There is no template '{name}'. Known: {known}."
            raise NotFoundError(text)
        return found

    async def list_running(self, request: Request) -> Response:
        """List all sandboxes that run, by metadata (the first generation of the protocol)."""
        found = select_running(self._keeper.all(team_of(request)), request.query_params)
        return JSONResponse([describe(sandbox) for sandbox in found])

    async def list(self, request: Request) -> Response:
        """List sandboxes by metadata, state and template, page by page, newest first."""
        page = Page.from_query(request.query_params)
        found = self._keeper.all(team_of(request))
        chosen, token = select_sandboxes(found, page)
        headers = {"x-next-token": token} if token else {}
        if "running" in page.states:
            headers["x-total-running"] = str(count_running(found, page))
        return JSONResponse([describe(sandbox) for sandbox in chosen], headers=headers)

    async def info(self, request: Request) -> Response:
        """Describe one sandbox."""
        return JSONResponse(
            detail(self._keeper.find(sandbox_id(request), team_of(request)), self._domain)
        )

    async def remove_template(self, request: Request) -> Response:
        """Delete a template that a client built, or a snapshot: both are asked for like this."""
        name, team = path_id(request), team_of(request)
        if not await self._keeper.workshop.remove(name, team):
            await self._copies.remove(name, team)
        return Response(status_code=204)


def team_id(name: str) -> str:
    """Return a team's id, in the form that clients expect."""
    return TEAM_ID if name == TEAM_DEFAULT else str(uuid.uuid5(_TEAMS, name))


def _refuse_large(env: dict[str, str]) -> None:
    size = len(json.dumps(env))
    if size > ENV_BYTES_MAX:
        text = f"envVars: {size:,} bytes as JSON; the limit is {ENV_BYTES_MAX:,}. Use a file."
        raise BadRequestError(text)


def _refuse_unsupported(body: NewSandbox) -> None:
    """Say no to what would otherwise be silently different from what was asked."""
    if not body.autoPauseMemory and not body.autoPause:
        raise BadRequestError("autoPauseMemory=false only applies when autoPause is true.")
    if not body.autoPauseMemory and body.autoResume is not None and body.autoResume.enabled:
        raise BadRequestError(
            "autoPauseMemory=false (filesystem-only auto-pause) cannot be combined with autoResume:"
            " a filesystem-only snapshot cannot be auto-resumed by traffic and must be resumed"
            " explicitly."
        )
    if body.iam and body.iam.get("tokens"):
        raise BadRequestError("iam: this server issues no workload identity tokens; leave it out.")
