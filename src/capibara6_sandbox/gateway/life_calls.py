"""The control plane's calls about a sandbox's life: lifetime, pause, resume, end."""

import re
import urllib.parse
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from capibara6_sandbox.errors import BadRequestError, ConflictError
from capibara6_sandbox.gateway.bodies import read_model
from capibara6_sandbox.gateway.control_bodies import (
    ConnectBody,
    PauseBody,
    RefreshBody,
    TimeoutBody,
)
from capibara6_sandbox.gateway.descriptions import handle
from capibara6_sandbox.gateway.keys import team_of
from capibara6_sandbox.host.keeper import Keeper
from capibara6_sandbox.host.sandbox import Sandbox
from capibara6_sandbox.host.states import State

TIMEOUT_S_MAX: Final = 24 * 3600  # the longest lifetime, unless the server is told otherwise
_ID: Final = re.compile(r"[a-z0-9]+")
_RESUMED_S: Final = 15  # of life, when its client says nothing; as in E2B's cloud


def path_id(request: Request) -> str:
    """Return the id in a request's path, which clients may have encoded twice."""
    return urllib.parse.unquote(request.path_params["id"])


def sandbox_id(request: Request) -> str:
    """Return the id of a sandbox in a request's path, without the client's that old SDKs add.

    Raises:
        BadRequestError: no sandbox has such an id.
    """
    own, _, client = path_id(request).partition("-")
    if not _ID.fullmatch(own) or "-" in client:
        raise BadRequestError("Invalid sandbox ID")
    return own


class LifeCalls:
    """The endpoints.

    Args:
        keeper: all sandboxes.
        domain: what sandboxes report as theirs.
        timeout_s_max: the longest lifetime that may be asked for; 0 for no limit.
    """

    def __init__(self, keeper: Keeper, domain: str, timeout_s_max: int) -> None:
        self._keeper = keeper
        self._domain = domain
        self._timeout_s_max = timeout_s_max

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/sandboxes/{id}", self.kill, methods=["DELETE"]),
            Route("/sandboxes/{id}/timeout", self.set_timeout, methods=["POST"]),
            Route("/sandboxes/{id}/refreshes", self.refresh, methods=["POST"]),
            Route("/sandboxes/{id}/pause", self.pause, methods=["POST"]),
            Route("/sandboxes/{id}/resume", self.resume, methods=["POST"]),
            Route("/sandboxes/{id}/connect", self.connect, methods=["POST"]),
            Route("/v2/sandboxes/{id}/connect", self.connect, methods=["POST"]),
        ]

    async def kill(self, request: Request) -> Response:
        """End a sandbox, running or paused."""
        await self._keeper.kill(sandbox_id(request), team_of(request))
        return Response(status_code=204)

    async def set_timeout(self, request: Request) -> Response:
        """Set the time from now after which a sandbox ends."""
        sandbox = self._keeper.get(sandbox_id(request), team_of(request))
        body = await read_model(request, TimeoutBody)
        check_timeout(body.timeout, self._timeout_s_max)
        self._keeper.set_timeout(sandbox, body.timeout)
        return Response(status_code=204)

    async def refresh(self, request: Request) -> Response:
        """Let a sandbox live for some time from now, if that is longer than it would."""
        sandbox = self._keeper.get(sandbox_id(request), team_of(request))
        body = await read_model(request, RefreshBody)
        self._keeper.set_timeout(sandbox, body.duration, only_longer=True)
        return Response(status_code=204)

    async def pause(self, request: Request) -> Response:
        """Pause a sandbox, with or without its memory."""
        sandbox = self._keeper.find(sandbox_id(request), team_of(request))
        body = await read_model(request, PauseBody)
        await self._keeper.pause(sandbox, memory=body.memory)
        return Response(status_code=204)

    async def resume(self, request: Request) -> Response:
        """Let a paused sandbox go on (the first generation of the protocol)."""
        sandbox = self._keeper.find(sandbox_id(request), team_of(request))
        body = await read_model(request, ConnectBody)
        if not await self._resume(sandbox, body):
            raise ConflictError(f"Sandbox {sandbox.id} is already running")
        return JSONResponse(handle(sandbox, self._domain), 201)

    async def connect(self, request: Request) -> Response:
        """Give a client what it needs to reach a sandbox; wake it, or lengthen its life."""
        sandbox = self._keeper.find(sandbox_id(request), team_of(request))
        body = await read_model(request, ConnectBody)
        resumed = await self._resume(sandbox, body)
        return JSONResponse(handle(sandbox, self._domain), 201 if resumed else 200)

    async def _resume(self, sandbox: Sandbox, body: ConnectBody) -> bool:
        check_timeout(body.timeout or 0, self._timeout_s_max)
        timeout_s = _RESUMED_S if body.timeout is None else body.timeout
        memory = body.memory is not False
        resumed = await self._keeper.resume(sandbox, timeout_s, memory=memory)
        if not resumed and body.timeout is not None and sandbox.state is not State.ENDED:
            self._keeper.set_timeout(sandbox, body.timeout, only_longer=True)
        return resumed


def check_timeout(timeout_s: int, timeout_s_max: int) -> None:
    """See that a lifetime is one that this server grants.

    Raises:
        BadRequestError: it is longer.
    """
    if timeout_s_max and timeout_s > timeout_s_max:
        hours = timeout_s_max / 3600
        text = f"Timeout cannot be greater than {hours:g} hours (got {timeout_s} s). "
        raise BadRequestError(text + "The server's --max-timeout sets this limit; 0 lifts it.")
