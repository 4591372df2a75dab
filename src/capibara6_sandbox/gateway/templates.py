"""The control plane's calls about templates: building, finding, tagging and deleting them."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from capibara6_sandbox.errors import BadRequestError, NotFoundError
from capibara6_sandbox.gateway.bodies import read_model
from capibara6_sandbox.gateway.descriptions import ENVD_VERSION, timestamp
from capibara6_sandbox.gateway.keys import team_of
from capibara6_sandbox.gateway.life_calls import path_id
from capibara6_sandbox.gateway.queries import number
from capibara6_sandbox.host.build_records import Build, OwnTemplate
from capibara6_sandbox.host.builds.log import PAGE_MAX
from capibara6_sandbox.host.builds.names import parse_name
from capibara6_sandbox.host.builds.recipe import Recipe
from capibara6_sandbox.host.builds.tags import assign, newest_first, unassign
from capibara6_sandbox.host.builds.workshop import Workshop
from capibara6_sandbox.isolation.limits import MIB
from capibara6_sandbox.templates.catalog import TEMPLATES, Template

_DISK_MB_MAX: Final = 1 << 20  # that may be asked for; the sandbox's memory bounds it before
_NO_BUILD: Final = "00000000-0000-0000-0000-000000000000"  # what nobody built here


DiskSize = Annotated[int, Field(ge=0, le=_DISK_MB_MAX)]


class BuildOrder(BaseModel):
    """The body of a call that asks for a build."""

    model_config = ConfigDict(extra="ignore")
    name: str | None = None
    alias: str | None = None
    tags: list[str] = Field(default_factory=list, max_length=100)
    cpuCount: int | None = None  # noqa: N815 - names of the wire
    memoryMB: int | None = None  # noqa: N815
    minFreeDiskMb: DiskSize | None = None  # noqa: N815


class TagOrder(BaseModel):
    """The body of a call that assigns tags."""

    target: str
    tags: list[str] = Field(max_length=100)


class TagRemoval(BaseModel):
    """The body of a call that removes tags."""

    name: str
    tags: list[str] = Field(max_length=100)


class Change(BaseModel):
    """The body of a call that changes a template."""

    model_config = ConfigDict(extra="ignore")
    public: bool | None = None


class TemplateCalls:
    """The endpoints.

    Args:
        workshop: builds templates.
    """

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def routes(self) -> list[Route]:
        """Return the routes, fixed paths before those with a name in them."""
        build = "/templates/{id}/builds/{build}"
        return [
            Route("/v3/templates", self.order, methods=["POST"]),
            Route("/templates", self.list, methods=["GET"]),
            Route("/v2/templates", self.list, methods=["GET"]),
            Route("/templates/tags", self.assign_tags, methods=["POST"]),
            Route("/templates/tags", self.remove_tags, methods=["DELETE"]),
            Route("/templates/aliases/{id:path}", self.alias, methods=["GET"]),
            Route("/templates/{id}/files/{hash}", self.upload_link, methods=["GET"]),
            Route("/templates/{id}/files/{hash}", self.upload, methods=["PUT"]),
            Route(f"/v2{build}", self.begin, methods=["POST"]),
            Route(f"{build}/status", self.status, methods=["GET"]),
            Route(f"{build}/logs", self.logs, methods=["GET"]),
            Route("/templates/{id:path}/tags", self.tags, methods=["GET"]),
            Route("/templates/{id:path}", self.builds, methods=["GET"]),
            Route("/templates/{id:path}", self.change, methods=["PATCH"]),
            Route("/v2/templates/{id:path}", self.change, methods=["PATCH"]),
        ]

    async def order(self, request: Request) -> Response:
        """Take an order for a build."""
        body = await read_model(request, BuildOrder)
        name = body.name or body.alias
        if not name:
            raise BadRequestError("Name is required")
        template, build = self._workshop.order(
            name, body.tags, body.cpuCount, body.memoryMB, body.minFreeDiskMb, team_of(request)
        )
        answer = {
            "templateID": template.id,
            "buildID": build.id,
            "public": template.public,
            "names": [template.alias],
            "aliases": [template.alias],
            "tags": build.tags,
        }
        return JSONResponse(answer, 202)

    async def upload_link(self, request: Request) -> Response:
        """Say whether an archive is here already, and where to send it."""
        template = self._workshop.library.get(path_id(request), team_of(request))
        files_hash = request.path_params["hash"]
        present = self._workshop.uploads.path(files_hash, template.team).is_file()
        query = self._workshop.uploads.query(template.id, files_hash)
        url = request.url.replace(
            path=f"/templates/{template.id}/files/{files_hash}", query=query, fragment=""
        )
        return JSONResponse({"present": present, "url": str(url)}, 201)

    async def upload(self, request: Request) -> Response:
        """Keep an archive; the address is signed, for clients send no key with it."""
        uploads, query = self._workshop.uploads, request.query_params
        template_id, files_hash = request.path_params["id"], request.path_params["hash"]
        uploads.check(template_id, files_hash, query.get("expires", ""), query.get("signature", ""))
        team = self._workshop.library.team_of(template_id)
        if team is None:
            raise NotFoundError(f"template '{template_id}' not found")
        await uploads.receive(files_hash, request.stream(), team)
        return Response(status_code=200)

    async def begin(self, request: Request) -> Response:
        """Begin a build that was ordered."""
        recipe = await read_model(request, Recipe)
        build_id = request.path_params["build"]
        self._workshop.begin(path_id(request), build_id, recipe, team_of(request))
        return Response(status_code=202)

    async def status(self, request: Request) -> Response:
        """Tell how a build goes on, with a page of its log."""
        build = self._build(request)
        # Before the log, so that a finished build's last lines are not missed.
        answer: dict[str, Any] = {
            "templateID": build.template_id,
            "buildID": build.id,
            "status": build.status,
            "logs": [],
        }
        query = request.query_params
        log = self._workshop.library.log(build)
        offset = number(query, "logsOffset") or 0
        entries = log.page(offset, _limit(query), query.get("level", "debug"))
        answer["logEntries"] = entries
        if build.reason is not None:
            step = build.reason.step
            about = [e for e in entries if step and e.get("step") == step and e["level"] == "error"]
            answer["reason"] = build.reason.model_dump(exclude_none=True) | {"logEntries": about}
        return JSONResponse(answer)

    async def logs(self, request: Request) -> Response:
        """Return a page of a build's log, by time."""
        log, query = self._workshop.library.log(self._build(request)), request.query_params
        entries = log.page_from(
            number(query, "cursor"),
            limit=_limit(query),
            level=query.get("level", "debug"),
            backward=query.get("direction") == "backward",
        )
        return JSONResponse({"logs": entries})

    def _build(self, request: Request) -> Build:
        build_id = request.path_params["build"]
        build = self._workshop.library.build(path_id(request), build_id, team_of(request))
        if build is None:
            raise BadRequestError(f"Build '{build_id[:80]}' not found")
        return build

    async def alias(self, request: Request) -> Response:
        """Say which template bears a name, perhaps with a tag."""
        name = parse_name(path_id(request), "Invalid alias format")
        if name.alias in TEMPLATES and not name.tag:
            return JSONResponse({"templateID": name.alias, "public": True})
        template = self._workshop.library.get(name.alias, team_of(request))
        if name.tag and name.tag not in template.tags:
            text = f"tag '{name.tag}' does not exist for template '{name.alias}'"
            raise NotFoundError(text)
        return JSONResponse({"templateID": template.id, "public": template.public})

    async def assign_tags(self, request: Request) -> Response:
        """Let tags point to a build."""
        body = await read_model(request, TagOrder)
        build_id, assigned = assign(
            self._workshop.library, body.target, body.tags, team_of(request)
        )
        return JSONResponse({"buildID": build_id, "tags": assigned}, 201)

    async def remove_tags(self, request: Request) -> Response:
        """Remove tags from a template."""
        body = await read_model(request, TagRemoval)
        unassign(self._workshop.library, body.name, body.tags, team_of(request))
        return Response(status_code=204)

    async def tags(self, request: Request) -> Response:
        """List the tags of a template."""
        name = parse_name(path_id(request), "Invalid template reference")
        template = self._workshop.library.get(name.alias, team_of(request))
        return JSONResponse(
            [
                {"tag": tag, "buildID": build_id, "createdAt": timestamp(created_at)}
                for tag, build_id, created_at in newest_first(template)
            ]
        )

    async def list(self, request: Request) -> Response:
        """List what sandboxes can be made of: this server's own, then those of clients."""
        own = [
            self._describe(template) for template in self._workshop.own_templates(team_of(request))
        ]
        return JSONResponse([_describe_given(t) for t in TEMPLATES.values()] + own)

    async def builds(self, request: Request) -> Response:
        """Describe one template with its builds."""
        template = self._workshop.library.get(parse_name(path_id(request)).alias, team_of(request))
        builds = [_describe_build(build) for build in self._workshop.library.builds(template)]
        return JSONResponse(self._describe(template) | {"builds": builds[:PAGE_MAX]})

    async def change(self, request: Request) -> Response:
        """Make a template public or private; here it is a note, for there is one owner."""
        body = await read_model(request, Change)
        template = self._workshop.library.get(parse_name(path_id(request)).alias, team_of(request))
        if body.public is not None:
            template.public = body.public
            self._workshop.library.write(template)
        return JSONResponse({"names": [template.alias]})

    def _describe(self, template: OwnTemplate) -> dict[str, Any]:
        newest = next(iter(self._workshop.library.builds(template)), None)
        ready = self._workshop.library.ready_build(template, parse_name(template.alias)) or newest
        return _describe_size(ready) | {
            "templateID": template.id,
            "public": template.public,
            "aliases": [template.alias],
            "names": [template.alias],
            "createdAt": timestamp(template.created_at),
            "updatedAt": timestamp(template.updated_at),
            "createdBy": None,
            "lastSpawnedAt": _maybe(template.last_spawned_at),
            "spawnCount": template.spawn_count,
            "buildCount": template.build_count,
            "envdVersion": ENVD_VERSION,
            "buildStatus": newest.status if newest else "waiting",
        }


def _describe_size(build: Build | None) -> dict[str, Any]:
    """Describe a build, or none in E2B's form: there is none when no record of one holds."""
    if build is None:
        return {"buildID": _NO_BUILD, "cpuCount": 0, "memoryMB": 0, "diskSizeMB": 0}
    return {
        "buildID": build.id,
        "cpuCount": build.cpu_count,
        "memoryMB": build.memory_mb,
        "diskSizeMB": build.disk_bytes // MIB,
    }


def _describe_build(build: Build) -> dict[str, Any]:
    described = _describe_size(build) | {
        "status": build.status,
        "createdAt": timestamp(build.created_at),
        "updatedAt": timestamp(build.updated_at),
        "envdVersion": ENVD_VERSION,
    }
    finished = _maybe(build.finished_at)
    return described | ({"finishedAt": finished} if finished else {})


def _describe_given(template: Template) -> dict[str, Any]:
    beginning = timestamp(datetime.fromtimestamp(0, tz=UTC))
    return {
        "templateID": template.name,
        "buildID": _NO_BUILD,
        "aliases": [template.name],
        "names": [template.name],
        "cpuCount": max(1, round(template.limits.cpus)),
        "memoryMB": template.limits.memory_bytes // MIB,
        "diskSizeMB": template.limits.disk_bytes // MIB,
        "timeoutS": template.timeout_s,
        "cpus": template.limits.cpus,
        "public": True,
        "isDefault": True,
        "createdAt": beginning,
        "updatedAt": beginning,
        "createdBy": None,
        "lastSpawnedAt": None,
        "spawnCount": 0,
        "buildCount": 0,
        "envdVersion": ENVD_VERSION,
        "buildStatus": "ready",
    }


def _maybe(moment: datetime | None) -> str | None:
    return timestamp(moment) if moment is not None else None


def _limit(query: QueryParams) -> int:
    limit = number(query, "limit")
    return PAGE_MAX if limit is None else limit
