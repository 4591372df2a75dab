"""E2B's volumes: the control plane's calls, and their contents with each volume's own token."""

import asyncio
import hmac
import os
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from capibara6_sandbox.errors import BadRequestError, SandboxServerError, UnauthorizedError
from capibara6_sandbox.gateway.bodies import read_model
from capibara6_sandbox.gateway.keys import CONTENT_PATH, team_of
from capibara6_sandbox.gateway.queries import number
from capibara6_sandbox.gateway.volume_downloads import reply
from capibara6_sandbox.host.records import VolumeMount, VolumeRecord
from capibara6_sandbox.host.shared_descriptor import SharedDescriptor
from capibara6_sandbox.host.volume_files import (
    DEPTH_MAX,
    NO_ROOM,
    Attributes,
    VolumeFiles,
    no_room,
)
from capibara6_sandbox.host.volumes import Volumes
from capibara6_sandbox.isolation.identity import has_id_ranges

MOUNTS_MAX: Final = 32
_ID_MAX: Final = 65_533  # of the inside; above it is nobody
_MODE_MAX: Final = 0o7777
# Where a volume would hide what every sandbox needs.
_KEPT: Final = ("/proc", "/dev", "/sys", "/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/opt")


class NewVolume(BaseModel):
    """The body of a create call."""

    model_config = ConfigDict(extra="ignore")
    name: Annotated[str, Field(max_length=128)]


class MountBody(BaseModel):
    """A volume that a new sandbox shall have."""

    model_config = ConfigDict(extra="ignore")
    name: str
    path: Annotated[str, Field(max_length=1024)]


class Metadata(BaseModel):
    """The body of a call that changes an entry."""

    model_config = ConfigDict(extra="ignore")
    uid: Annotated[int, Field(ge=0, le=_ID_MAX)] | None = None
    gid: Annotated[int, Field(ge=0, le=_ID_MAX)] | None = None
    mode: Annotated[int, Field(ge=0, le=_MODE_MAX)] | None = None

    @property
    def attributes(self) -> Attributes:
        """What is asked for."""
        return Attributes(self.uid, self.gid, self.mode)


class VolumeCalls:
    """The endpoints."""

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes

    def routes(self) -> list[Route]:
        """Return the routes."""
        content = CONTENT_PATH + "{id}"
        return [
            Route("/volumes", self.create, methods=["POST"]),
            Route("/volumes", self.list, methods=["GET"]),
            Route("/volumes/{id}", self.info, methods=["GET"]),
            Route("/volumes/{id}", self.destroy, methods=["DELETE"]),
            Route(f"{content}/path", self.stat, methods=["GET"]),
            Route(f"{content}/path", self.update, methods=["PATCH"]),
            Route(f"{content}/path", self.remove, methods=["DELETE"]),
            Route(f"{content}/dir", self.list_dir, methods=["GET"]),
            Route(f"{content}/dir", self.make_dir, methods=["POST"]),
            Route(f"{content}/file", self.read, methods=["GET"]),
            Route(f"{content}/file", self.write, methods=["PUT"]),
        ]

    async def create(self, request: Request) -> Response:
        """Make a volume."""
        body = await read_model(request, NewVolume)
        if not body.name or not all(c.isascii() and (c.isalnum() or c in "_-") for c in body.name):
            raise BadRequestError("Invalid volume name")
        return JSONResponse(_with_token(self._volumes.create(body.name, team_of(request))), 201)

    async def list(self, request: Request) -> Response:
        """List the volumes."""
        found = self._volumes.all(team_of(request))
        return JSONResponse([{"volumeID": v.id, "name": v.name} for v in found])

    async def info(self, request: Request) -> Response:
        """Describe a volume, with the token for its contents."""
        return JSONResponse(
            _with_token(self._volumes.get(request.path_params["id"], team_of(request)))
        )

    async def destroy(self, request: Request) -> Response:
        """Remove a volume, also one that is mounted."""
        self._volumes.destroy(request.path_params["id"], team_of(request))
        return Response(status_code=204)

    async def stat(self, request: Request) -> Response:
        """Describe an entry."""
        files, path = self._files(request)
        return JSONResponse(await asyncio.to_thread(files.stat, path))

    async def update(self, request: Request) -> Response:
        """Change owner and mode of an entry."""
        files, path = self._files(request)
        body = await read_model(request, Metadata)
        return JSONResponse(await asyncio.to_thread(files.update, path, body.attributes))

    async def remove(self, request: Request) -> Response:
        """Remove an entry."""
        files, path = self._files(request)
        await asyncio.to_thread(files.remove, path)
        return Response(status_code=204)

    async def list_dir(self, request: Request) -> Response:
        """List a directory."""
        files, path = self._files(request)
        depth = number(request.query_params, "depth") or 1
        if depth > DEPTH_MAX:
            raise BadRequestError(f"depth must be between 1 and {DEPTH_MAX}")
        return JSONResponse(await asyncio.to_thread(files.entries, path, depth))

    async def make_dir(self, request: Request) -> Response:
        """Make a directory."""
        files, path = self._files(request)
        attributes, force = _asked(request)
        made = await asyncio.to_thread(files.make_dir, path, attributes, parents=force)
        return JSONResponse(made, 201)

    async def read(self, request: Request) -> Response:
        """Send a file."""
        files, path = self._files(request)
        fd = await asyncio.to_thread(files.open_read, path)
        return reply(request, path, SharedDescriptor(fd))

    async def write(self, request: Request) -> Response:
        """Take a file."""
        files, path = self._files(request)
        attributes, force = _asked(request)
        fd = await asyncio.to_thread(files.open_write, path, attributes, force=force)
        file = SharedDescriptor(fd)
        try:
            async for piece in request.stream():
                await asyncio.to_thread(_write_all, file, piece, path)
        except (ClientDisconnect, SandboxServerError):
            await asyncio.to_thread(files.remove, path)  # half a file is none
            raise
        finally:
            file.close()
        return JSONResponse(await asyncio.to_thread(files.stat, path), 201)

    def _files(self, request: Request) -> tuple[VolumeFiles, str]:
        """Return the files and the path of a request that carries the volume's token."""
        volume = self._volumes.get(request.path_params["id"], team=None)  # the token is its own
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), volume.token.encode()):
            raise UnauthorizedError("The volume's token is missing or wrong.")
        path = request.query_params.get("path", "")
        if not path:
            raise BadRequestError("path: it is missing")
        return VolumeFiles(self._volumes.tree(volume.id), privileged=has_id_ranges()), path


def resolve_mounts(volumes: Volumes, bodies: list[MountBody], team: str) -> tuple[VolumeMount, ...]:
    """Find the volumes that a new sandbox asks for.

    Raises:
        BadRequestError: one is unknown, or its path cannot be mounted on; all problems are named.
    """
    found: list[VolumeMount] = []
    problems = []
    for position, body in enumerate(bodies[: MOUNTS_MAX + 1]):
        volume = volumes.named(body.name, team)
        problem = _path_problem(body.path, [mount.path for mount in found])
        if volume is None:
            problem = f"volume '{body.name}' not found"
        if position == MOUNTS_MAX:
            problem = f"a sandbox can have {MOUNTS_MAX} volumes"
        if problem or volume is None:
            problems.append(f"\t- volume mount #{position}: {problem}")
        else:
            found.append(VolumeMount(volume_id=volume.id, name=volume.name, path=body.path))
    if problems:
        raise BadRequestError("\n".join(["invalid volume mounts:", *problems]))
    return tuple(found)


def _path_problem(path: str, taken: list[str]) -> str:
    if not path.startswith("/") or os.path.normpath(path) != path or path.startswith("//"):
        return f"path '{path}' is not absolute and normalized"
    if path == "/" or "\0" in path or any(f"{path}/".startswith(f"{kept}/") for kept in _KEPT):
        return f"path '{path}' cannot be mounted on"
    if any(
        f"{a}/".startswith(f"{b}/") for other in taken for a, b in ((path, other), (other, path))
    ):
        return f"path '{path}' is already used"
    return ""


def _with_token(volume: VolumeRecord) -> dict[str, str]:
    return {"volumeID": volume.id, "name": volume.name, "token": volume.token}


def _asked(request: Request) -> tuple[Attributes, bool]:
    query = request.query_params
    attributes = Attributes(
        number(query, "uid", most=_ID_MAX),
        number(query, "gid", most=_ID_MAX),
        number(query, "mode", most=_MODE_MAX),
    )
    return attributes, query.get("force", "false").lower() in ("true", "1")


def _write_all(file: SharedDescriptor, data: bytes, path: str) -> None:
    try:
        file.write(data)
    except OSError as cause:
        if cause.errno in NO_ROOM:
            raise no_room(path) from None
        raise BadRequestError(f"path {path!r}: {cause.strerror}") from None
