"""E2B's code interpreter (port 49999) for the sandbox in `scope["sandbox"]`.

Contexts, and the start of executions; what an execution sends is `execution_stream`.
"""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from capibara6_guest.wire import CallError
from capibara6_sandbox.errors import (
    BadRequestError,
    SandboxServerError,
    UnauthorizedError,
)
from capibara6_sandbox.gateway.bodies import Variables, read_model
from capibara6_sandbox.gateway.execution_stream import EventReply, ExecutionStream
from capibara6_sandbox.gateway.failures import STATUSES, on_os_error, sandbox_gone
from capibara6_sandbox.host.blueprint import HOME
from capibara6_sandbox.host.guest_client import GuestLostError
from capibara6_sandbox.host.sandbox import Sandbox

LANGUAGES: Final = {
    "python": "python",
    "javascript": "javascript",
    "js": "javascript",
    "typescript": "typescript",
    "ts": "typescript",
    "bash": "bash",
    "r": "r",
    "java": "java",
}
# Languages that run in another one's default context, with its variables.
_HOSTS: Final = {"typescript": "javascript"}
_WRONG_TOKEN: Final = "The access token is missing or wrong."  # noqa: S105 - a message


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
            OSError: on_os_error,
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
    status = {"not_found": 404, "invalid_argument": 400, "resource_exhausted": 429}.get(
        failure.code, 500
    )
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
    if body.context_id:
        context_id, dialect = body.context_id, ""
    else:
        dialect = _language(body.language)
        context_id = await sandbox.default_context(_HOSTS.get(dialect, dialect))
    stream = ExecutionStream(sandbox, context_id, body.code, body.env_vars or {}, dialect)
    await stream.open()
    return EventReply(
        stream.lines(), media_type="application/x-ndjson", background=BackgroundTask(stream.close)
    )
