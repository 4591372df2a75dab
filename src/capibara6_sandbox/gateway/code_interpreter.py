"""E2B's code interpreter (port 49999) for the sandbox in `scope["sandbox"]`.

What comes from the guest is parsed, checked and encoded anew: one JSON object a line, ASCII only
(clients decode each chunk by itself), never an empty line.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from capibara6_guest.wire import CallError
from capibara6_sandbox.errors import (
    BadRequestError,
    SandboxServerError,
    StartError,
    UnauthorizedError,
)
from capibara6_sandbox.gateway.bodies import Variables, read_model
from capibara6_sandbox.gateway.connections import cut
from capibara6_sandbox.gateway.failures import STATUSES, sandbox_gone
from capibara6_sandbox.host.guest_client import GuestCall, GuestLostError
from capibara6_sandbox.host.machine import HOME
from capibara6_sandbox.host.sandbox import Sandbox
from capibara6_sandbox.isolation.limits import MIB

KEEPALIVE_S: Final = 5.0
LANGUAGES: Final = {
    "python": "python",
    "javascript": "javascript",
    "js": "javascript",
    "bash": "bash",
}
_WRONG_TOKEN: Final = "The access token is missing or wrong."  # noqa: S105 - a message
_EVENT_TYPES: Final = frozenset({"number_of_executions", "stdout", "stderr", "result", "error"})


class Execution(BaseModel):
    """The body of POST /execute."""

    model_config = ConfigDict(extra="ignore")
    code: str
    context_id: str | None = None
    language: str | None = None
    env_vars: Variables | None = None


class NewContext(BaseModel):
    """The body of POST /contexts."""

    model_config = ConfigDict(extra="ignore")
    language: str | None = None
    cwd: str | None = None


def create_code_interpreter_app() -> Starlette:
    """Build the application."""
    return Starlette(
        routes=[
            Route("/health", _health),
            Route("/execute", _execute, methods=["POST"]),
            Route("/contexts", _list_contexts, methods=["GET"]),
            Route("/contexts", _create_context, methods=["POST"]),
            Route("/contexts/{id}", _remove_context, methods=["DELETE"]),
            Route("/contexts/{id}/restart", _restart_context, methods=["POST"]),
        ],
        middleware=[Middleware(TokenMiddleware)],
        exception_handlers={
            CallError: _on_call_error,
            GuestLostError: _on_lost,
            SandboxServerError: _on_server_error,
        },
    )


class TokenMiddleware:
    """Refuses wrong tokens.

    Clients send one with /execute, which asks for it, but none with other calls: what keeps those
    apart is the sandbox's id, which nobody can guess.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        given = Headers(scope=scope).get("x-access-token")
        if given is not None and not scope["sandbox"].accepts(given):
            await PlainTextResponse(_WRONG_TOKEN, 401)(scope, receive, send)
            return
        await self._app(scope, receive, send)


async def _on_call_error(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, CallError)
    status = {"not_found": 404, "invalid_argument": 400}.get(failure.code, 500)
    return PlainTextResponse(failure.message, status)


async def _on_server_error(request: Request, failure: Exception) -> Response:
    return PlainTextResponse(str(failure), STATUSES[type(failure)])  # type: ignore[index]


async def _on_lost(request: Request, failure: Exception) -> Response:
    return sandbox_gone(request.scope["sandbox"].id)


async def _health(request: Request) -> Response:
    return JSONResponse("OK")


async def _list_contexts(request: Request) -> Response:
    sandbox: Sandbox = request.scope["sandbox"]
    return JSONResponse([_described(context) for context in await sandbox.contexts()])


async def _create_context(request: Request) -> Response:
    sandbox: Sandbox = request.scope["sandbox"]
    body = await read_model(request, NewContext)
    context = await sandbox.create_context(_language(body.language), body.cwd or HOME)
    return JSONResponse(_described(context), 201)


def _described(context: dict[str, Any]) -> dict[str, str]:
    return {name: str(context.get(name)) for name in ("id", "language", "cwd")}


async def _remove_context(request: Request) -> Response:
    sandbox: Sandbox = request.scope["sandbox"]
    await sandbox.remove_context(request.path_params["id"])
    return Response(status_code=204)


async def _restart_context(request: Request) -> Response:
    sandbox: Sandbox = request.scope["sandbox"]
    await sandbox.restart_context(request.path_params["id"])
    return Response(status_code=204)


def _language(name: str | None) -> str:
    language = LANGUAGES.get((name or "python").lower())
    if language is None:
        known = ", ".join(LANGUAGES)
        raise BadRequestError(f"There is no kernel for language '{name}'. Known: {known}.")
    return language


async def _execute(request: Request) -> Response:
    sandbox: Sandbox = request.scope["sandbox"]
    if "x-access-token" not in request.headers and not sandbox.accepts(""):
        raise UnauthorizedError(_WRONG_TOKEN)
    body = await read_model(request, Execution)
    if body.context_id and body.language:
        raise BadRequestError("Give either context_id or language, not both.")
    context_id = body.context_id or await sandbox.default_context(_language(body.language))
    stream = ExecutionStream(sandbox, context_id, body.code, body.env_vars or {})
    await stream.open()
    return EventReply(
        stream.lines(), media_type="application/x-ndjson", background=BackgroundTask(stream.close)
    )


class EventReply(StreamingResponse):
    """A reply whose connection is cut when the sandbox is lost, which clients know how to read."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the reply."""
        self._scope = scope
        await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send the lines."""
        try:
            await super().stream_response(send)
        except GuestLostError:
            cut(self._scope)


class ExecutionStream:
    """One execution's events as lines; closing it early interrupts the kernel."""

    def __init__(self, sandbox: Sandbox, context_id: str, code: str, env: dict[str, str]) -> None:
        self._sandbox = sandbox
        self._context_id = context_id
        self._order = {"id": context_id, "code": code, "env": env}
        self._call: GuestCall | None = None
        self._oom_kills = self._count_oom_kills()

    async def open(self) -> None:
        """Send the call and wait until the agent takes it, so that a refusal is the whole reply.

        Raises:
            CallError: there is no such context.
            GuestLostError: the sandbox is gone.
        """
        self._call = self._sandbox.guest.call("execute", **self._order)
        await self._call.__aenter__()
        self._events = self._call.events()
        await anext(self._events, None)

    async def close(self) -> None:
        """Give the connection back. Idempotent."""
        call, self._call = self._call, None
        if call is not None:
            await call.__aexit__(None, None, None)

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield the reply's lines. A lost sandbox cuts the connection, as clients expect."""
        try:
            async for event in _with_keepalive(self._executed()):
                line = self._encode(event)
                if line:
                    yield line
        except (CallError, StartError) as failure:
            text = getattr(failure, "message", str(failure))
            yield _line(
                {"type": "error", "name": "KernelNotStarted", "value": text, "traceback": text}
            )
        finally:
            await self.close()
        yield _line({"type": "end_of_execution"})

    async def _executed(self) -> AsyncIterator[dict[str, Any] | bytes]:
        """Pass on what happens; before it a context without a kernel, after it a dead one, revives.

        Doing so before the reply ends keeps the next call from finding no kernel.
        """
        try:
            async for event in self._events:
                yield event
        except CallError as failure:
            if failure.code != "failed_precondition":
                raise
            await self.close()
            await self._sandbox.revive_context(self._context_id)
            await self.open()
            async for event in self._events:
                yield event
        if self._call and (self._call.result or {}).get("alive") is False:
            await self._sandbox.revive_context(self._context_id)

    def _encode(self, event: dict[str, Any] | bytes) -> bytes:
        if not isinstance(event, dict):
            return b""
        if event.get("type") == "keepalive":
            return _line(event)
        if event.get("type") not in _EVENT_TYPES:
            return b""
        if event["type"] == "error" and event.get("name") == "KernelDied":
            event = self._explain_death(event)
        return _line(event)

    def _explain_death(self, event: dict[str, Any]) -> dict[str, Any]:
        if self._count_oom_kills() == self._oom_kills:
            return event
        limit = self._sandbox.template.limits.memory_bytes // MIB
        text = f"The program needed more memory than this sandbox's limit of {limit} MiB."
        return {"type": "error", "name": "OutOfMemory", "value": text, "traceback": text}

    def _count_oom_kills(self) -> int:
        usage = self._sandbox.machine.usage()
        return usage.oom_kills if usage else 0


async def _with_keepalive(
    events: AsyncIterator[dict[str, Any] | bytes],
) -> AsyncIterator[dict[str, Any] | bytes]:
    """Pass events on, and a keepalive whenever there was none for `KEEPALIVE_S`."""
    upcoming = asyncio.ensure_future(anext(events))
    try:
        while True:
            done, _ = await asyncio.wait((upcoming,), timeout=KEEPALIVE_S)
            if not done:
                yield {"type": "keepalive"}
                continue
            try:
                event = upcoming.result()
            except StopAsyncIteration:
                return
            upcoming = asyncio.ensure_future(anext(events))
            yield event
    finally:
        upcoming.cancel()


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=True).encode() + b"\n"
