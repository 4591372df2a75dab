"""E2B's control plane: sandboxes are created, found, extended and ended here."""

import json
import urllib.parse
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from capibara6_guest.wire import CallError
from capibara6_sandbox import __version__
from capibara6_sandbox.errors import BadRequestError, NotFoundError, SandboxServerError
from capibara6_sandbox.gateway import failures
from capibara6_sandbox.gateway.bodies import Variables, read_model
from capibara6_sandbox.gateway.keys import KeyMiddleware
from capibara6_sandbox.gateway.listing import Page, select_sandboxes
from capibara6_sandbox.gateway.metrics import samples, timestamp
from capibara6_sandbox.host import sandbox as host
from capibara6_sandbox.host.keeper import Keeper
from capibara6_sandbox.host.sandbox import Sandbox
from capibara6_sandbox.isolation.limits import MIB
from capibara6_sandbox.templates.catalog import TEMPLATES

# Announces to clients which features of envd they may use; 0.6.4 enables every gate of SDK 2.63.
ENVD_VERSION: Final = "0.6.4"
TIMEOUT_S_MAX: Final = 24 * 3600
ENV_BYTES_MAX: Final = 60_000  # with our own, they fit into one packet to the agent
_CLIENT_ID: Final = "capibara6"

Timeout = Annotated[int, Field(ge=1, le=TIMEOUT_S_MAX)]


class Network(BaseModel):
    """Which traffic a sandbox may have; sandboxes have none yet but previews."""

    model_config = ConfigDict(extra="ignore")
    allowPublicTraffic: bool | None = None  # noqa: N815 - names of the wire


class NewSandbox(BaseModel):
    """The body of a create call; what E2B adds later is ignored."""

    model_config = ConfigDict(extra="ignore")
    templateID: str  # noqa: N815
    timeout: Timeout = 15
    metadata: dict[str, str] | None = None
    envVars: Variables | None = None  # noqa: N815
    autoPause: bool = False  # noqa: N815
    secure: bool | None = None
    network: Network | None = None
    volumeMounts: list[Any] | None = None  # noqa: N815
    mcp: dict[str, Any] | None = None


class TimeoutBody(BaseModel):
    """The body of a call that sets a lifetime."""

    timeout: Timeout


class RefreshBody(BaseModel):
    """The body of a call that lengthens a life; E2B's own default is 15 s."""

    duration: Annotated[int, Field(ge=0, le=3600)] = 15


class ConnectBody(BaseModel):
    """The body of a connect call: without a timeout, the lifetime stays as it is."""

    timeout: Timeout | None = None


def create_control_app(keeper: Keeper, key: str, domain: str) -> Starlette:
    """Build the control plane.

    Args:
        keeper: all sandboxes.
        key: the accepted API key.
        domain: what sandboxes report as their domain, with port; used by `get_host`.
    """
    control = Control(keeper, domain)
    return Starlette(
        routes=[
            Route("/health", control.health),
            Route("/sandboxes", control.create, methods=["POST"]),
            Route("/v2/sandboxes", control.create_secured, methods=["POST"]),
            Route("/sandboxes", control.list, methods=["GET"]),
            Route("/v2/sandboxes", control.list, methods=["GET"]),
            Route("/sandboxes/{id}", control.info, methods=["GET"]),
            Route("/sandboxes/{id}", control.kill, methods=["DELETE"]),
            Route("/sandboxes/{id}/timeout", control.set_timeout, methods=["POST"]),
            Route("/sandboxes/{id}/refreshes", control.refresh, methods=["POST"]),
            Route("/sandboxes/{id}/connect", control.connect, methods=["POST"]),
            Route("/v2/sandboxes/{id}/connect", control.connect, methods=["POST"]),
            Route("/sandboxes/{id}/metrics", control.metrics, methods=["GET"]),
            Route("/templates", control.templates, methods=["GET"]),
        ],
        middleware=[Middleware(KeyMiddleware, key=key)],
        exception_handlers={
            SandboxServerError: failures.on_server_error,
            CallError: failures.on_call_error,
            404: _no_route,
            405: _no_route,
        },
    )


async def _no_route(request: Request, failure: Exception) -> JSONResponse:
    status = getattr(failure, "status_code", 404)
    return failures.error_response(status, f"No {request.method} {request.url.path} here.")


class Control:
    """The endpoints."""

    def __init__(self, keeper: Keeper, domain: str) -> None:
        self._keeper = keeper
        self._domain = domain

    async def health(self, request: Request) -> Response:
        """Answer that the server lives."""
        return JSONResponse({"status": "ok", "version": __version__})

    async def create(self, request: Request) -> Response:
        """Create a sandbox, secured if asked to (the first generation of the protocol)."""
        return await self._create(await read_model(request, NewSandbox), secure=None)

    async def create_secured(self, request: Request) -> Response:
        """Create a sandbox with tokens."""
        return await self._create(await read_model(request, NewSandbox), secure=True)

    async def _create(self, body: NewSandbox, *, secure: bool | None) -> Response:
        template = TEMPLATES.get(body.templateID)
        if template is None:
            known = ", ".join(TEMPLATES)
            raise NotFoundError(f"There is no template '{body.templateID}'. Known: {known}.")
        _refuse_unsupported(body)
        _refuse_large(body.envVars or {})
        public = body.network is None or body.network.allowPublicTraffic is not False
        sandbox = await self._keeper.create(
            host.Request(
                template=template,
                timeout_s=body.timeout,
                metadata=body.metadata or {},
                env=body.envVars or {},
                secure=bool(body.secure) if secure is None else secure,
                allow_public_traffic=public,
            )
        )
        return JSONResponse(self._handle(sandbox), 201)

    def _handle(self, sandbox: Sandbox) -> dict[str, Any]:
        """Build what a client needs to reach the sandbox."""
        return {
            "sandboxID": sandbox.id,
            "templateID": sandbox.template.name,
            "alias": sandbox.template.name,
            "clientID": _CLIENT_ID,
            "envdVersion": ENVD_VERSION,
            "envdAccessToken": sandbox.envd_access_token or None,
            "trafficAccessToken": sandbox.traffic_access_token or None,
            "domain": self._domain,
        }

    async def list(self, request: Request) -> Response:
        """List sandboxes by metadata, state and template, page by page, newest first."""
        page = Page.from_query(request.query_params)
        chosen, token = select_sandboxes(self._keeper.all(), page)
        headers = {"x-next-token": token} if token else {}
        return JSONResponse([self._describe(sandbox) for sandbox in chosen], headers=headers)

    async def info(self, request: Request) -> Response:
        """Describe one sandbox."""
        sandbox = self._find(request)
        detail = self._describe(sandbox) | {"domain": self._domain}
        if sandbox.envd_access_token:
            detail["envdAccessToken"] = sandbox.envd_access_token
        detail["lifecycle"] = {"autoResume": False, "onTimeout": "kill"}
        return JSONResponse(detail)

    def _describe(self, sandbox: Sandbox) -> dict[str, Any]:
        limits = sandbox.template.limits
        return {
            "sandboxID": sandbox.id,
            "templateID": sandbox.template.name,
            "alias": sandbox.template.name,
            "clientID": _CLIENT_ID,
            "startedAt": timestamp(sandbox.started_at),
            "endAt": timestamp(sandbox.ends_at),
            "envdVersion": ENVD_VERSION,
            "cpuCount": max(1, round(limits.cpus)),
            "memoryMB": limits.memory_bytes // MIB,
            "diskSizeMB": limits.disk_bytes // MIB,
            "metadata": dict(sandbox.request.metadata),
            "state": "running",
        }

    def _find(self, request: Request) -> Sandbox:
        return self._keeper.get(urllib.parse.unquote(request.path_params["id"]))

    async def kill(self, request: Request) -> Response:
        """End a sandbox."""
        await self._keeper.kill(request.path_params["id"])
        return Response(status_code=204)

    async def set_timeout(self, request: Request) -> Response:
        """Set the time from now after which a sandbox ends."""
        sandbox = self._find(request)
        body = await read_model(request, TimeoutBody)
        self._keeper.set_timeout(sandbox, body.timeout)
        return Response(status_code=204)

    async def refresh(self, request: Request) -> Response:
        """Let a sandbox live for some time from now, if that is longer than it would."""
        sandbox = self._find(request)
        body = await read_model(request, RefreshBody)
        self._keeper.set_timeout(sandbox, body.duration, only_longer=True)
        return Response(status_code=204)

    async def connect(self, request: Request) -> Response:
        """Give a client what it needs to reach a running sandbox; may lengthen its life."""
        sandbox = self._find(request)
        body = await read_model(request, ConnectBody)
        if body.timeout is not None:
            self._keeper.set_timeout(sandbox, body.timeout, only_longer=True)
        return JSONResponse(self._handle(sandbox))

    async def metrics(self, request: Request) -> Response:
        """Return what a sandbox uses now, in E2B's form and with the peak that limits need."""
        return JSONResponse(samples(self._find(request), request.query_params, datetime.now(UTC)))

    async def templates(self, request: Request) -> Response:
        """List what sandboxes can be made of."""
        return JSONResponse(
            [
                {
                    "templateID": template.name,
                    "aliases": [template.name],
                    "names": [template.name],
                    "cpuCount": max(1, round(template.limits.cpus)),
                    "memoryMB": template.limits.memory_bytes // MIB,
                    "diskSizeMB": template.limits.disk_bytes // MIB,
                    "timeoutS": template.timeout_s,
                    "cpus": template.limits.cpus,
                }
                for template in TEMPLATES.values()
            ]
        )


def _refuse_large(env: dict[str, str]) -> None:
    size = len(json.dumps(env))
    if size > ENV_BYTES_MAX:
        text = f"envVars: {size:,} bytes as JSON; the limit is {ENV_BYTES_MAX:,}. Use a file."
        raise BadRequestError(text)


def _refuse_unsupported(body: NewSandbox) -> None:
    """Say no to what would otherwise be silently different from what was asked."""
    if body.autoPause:
        raise BadRequestError("autoPause: this server cannot pause sandboxes yet; leave it out.")
    if body.volumeMounts:
        raise BadRequestError("volumeMounts: this server has no volumes yet; leave it out.")
    if body.mcp:
        raise BadRequestError("mcp: this server has no MCP gateway in sandboxes; leave it out.")
