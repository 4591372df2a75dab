"""The endpoint that the platform sees: OpenAI's API on loopback, with a random key.

It stands from the platform's opening to its end and costs nothing until a model is asked for.
"""

import asyncio
import contextlib
import hmac
import json
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from capibara6.errors import CapibaraError
from capibara6.local_models.completions import BrokenOff, Completion, Refused
from capibara6.local_models.process import ModelProcess, ServingFailed
from capibara6.local_models.serving import ServedModel, TooManyWaiting

_BODY_BYTES_MAX: Final = 4 * 1024 * 1024
_CONNECTIONS_MAX: Final = 128
_GRACE_S: Final = 1
_LEFT: Final = 499  # nobody reads it

T = TypeVar("T")


class _ClientLeftError(Exception):
    """The client closed its connection."""


class LocalEndpoint:
    """Serves local models; open it with `serving`.

    Args:
        models: by name.
    """

    def __init__(self, models: Mapping[str, ServedModel]) -> None:
        self._models = models
        self.key = secrets.token_urlsafe(32)
        self.base_url = ""
        self._app = Starlette(
            routes=[
                Route("/v1/models", self._list),
                Route("/v1/chat/completions", self._complete, methods=["POST"]),
            ]
        )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["LocalEndpoint"]:
        """Listen; at the end all models' processes have ended."""
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        config = uvicorn.Config(
            self._app,
            lifespan="off",
            log_config=None,
            access_log=False,
            ws="none",
            proxy_headers=False,
            server_header=False,
            limit_concurrency=_CONNECTIONS_MAX,
            timeout_graceful_shutdown=_GRACE_S,
        )
        server = _QuietServer(config)
        with listener:
            task = asyncio.create_task(server.serve([listener]))
            try:
                yield self
            finally:
                server.should_exit = True
                for model in self._models.values():
                    await model.close()
                await task

    async def _list(self, request: Request) -> Response:
        if not self._opens(request):
            return _error(401, "invalid_api_key", "The key is missing or wrong.")
        names = [name for name, served in self._models.items() if not served.problem()]
        data = [{"id": name, "object": "model", "owned_by": "capibara6"} for name in names]
        return JSONResponse({"object": "list", "data": data})

    async def _complete(self, request: Request) -> Response:
        if not self._opens(request):
            return _error(401, "invalid_api_key", "The key is missing or wrong.")
        try:
            body = await _body(request)
            served = self._named(str(body.get("model")))
            return await _Answering(request, served, body).response()
        except Refused as refusal:
            return _error(refusal.status, refusal.code, str(refusal))
        except _ClientLeftError:
            return Response(status_code=_LEFT)

    def _named(self, name: str) -> ServedModel:
        if name not in self._models:
            known = ", ".join(self._models)
            raise Refused(404, "model_not_found", f"no such local model; known: {known}")
        return self._models[name]

    def _opens(self, request: Request) -> bool:
        sent = request.headers.get("authorization", "")
        return hmac.compare_digest(sent.encode(), f"Bearer {self.key}".encode())


class _Answering:
    """One request from its turn to its end. The turn is given back whatever happens."""

    def __init__(self, request: Request, served: ServedModel, body: Mapping[str, Any]) -> None:
        self._request = request
        self._served = served
        self._body = body
        self._stack = contextlib.AsyncExitStack()

    async def response(self) -> Response:
        """The reply: of a stream, once its first chunk is there, so that a failure has a status."""
        streamed = False
        try:
            if not self._body.get("stream"):
                return JSONResponse(await self._while_there(self._with_restart(self._joined)))
            completion, first, rest = await self._while_there(self._with_restart(self._begun))
            streamed = True
            return _Stream(self._events(completion, first, rest), self._stack)
        except TooManyWaiting as refusal:
            raise Refused(429, "rate_limit_exceeded", str(refusal)) from None
        except (CapibaraError, ServingFailed) as failure:
            # Not a status that clients try again by themselves: it was tried here.
            raise Refused(424, failure.code, str(failure)) from None
        except BrokenOff as broken:
            raise Refused(424, "model_crashed", str(broken)) from None
        finally:
            if not streamed:
                await self._stack.aclose()

    async def _with_restart(self, ask: Callable[[ModelProcess], Awaitable[T]]) -> T:
        """Ask; once more, of a new process, when the first broke off before it had answered."""
        process = await self._stack.enter_async_context(self._served.turn())
        try:
            return await ask(process)
        except BrokenOff:
            await self._served.broken()
        await self._stack.aclose()
        process = await self._stack.enter_async_context(self._served.turn())
        try:
            return await ask(process)
        except BrokenOff as broken:
            how = await self._served.broken()
            name = self._served.model.name
            raise BrokenOff(f"local model {name!r} broke off twice ({broken}; {how})") from None

    async def _joined(self, process: ModelProcess) -> dict[str, Any]:
        completion = Completion(self._served, process, self._body)
        await completion.check()
        answer = await completion.joined()
        self._served.answered()
        return answer

    async def _begun(self, process: ModelProcess) -> tuple[Completion, dict[str, Any], Any]:
        completion = Completion(self._served, process, self._body)
        await completion.check()
        chunks = completion.chunks()
        self._stack.push_async_callback(chunks.aclose)
        return completion, await anext(chunks), chunks

    async def _events(
        self, completion: Completion, first: dict[str, Any], rest: Any
    ) -> AsyncIterator[str]:
        """The reply's events; closed or cancelled when the client leaves, which stops the model."""
        try:
            yield _event(first)
            async for chunk in rest:
                yield _event(chunk)
            options = self._body.get("stream_options")
            if isinstance(options, dict) and options.get("include_usage"):
                yield _event(await completion.usage_chunk())
            self._served.answered()
        except BrokenOff as broken:
            how = await self._served.broken()
            name = self._served.model.name
            message = f"local model {name!r} broke off ({broken}; {how})"
            yield _event({"error": {"message": message, "code": "model_crashed"}})
        yield "data: [DONE]\n\n"

    async def _while_there(self, work: Awaitable[T]) -> T:
        """The work's result, or `_ClientLeftError` as soon as the client closes its connection."""
        working = asyncio.ensure_future(work)
        leaving = asyncio.create_task(_left(self._request))
        try:
            await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise _ClientLeftError
            return working.result()
        finally:
            for task in (working, leaving):
                task.cancel()
            await asyncio.wait((working, leaving))


class _Stream(StreamingResponse):
    """A stream that gives the turn back at its end, also when its client left before it began."""

    def __init__(self, events: AsyncIterator[str], held: contextlib.AsyncExitStack) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await super().__call__(scope, receive, send)


class _QuietServer(uvicorn.Server):
    """Leaves signals to the program around it."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        """Capture none."""
        yield


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _body(request: Request) -> dict[str, Any]:
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > _BODY_BYTES_MAX:
            raise Refused(413, "too_large", f"more than {_BODY_BYTES_MAX:,} bytes")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        raise Refused(400, "invalid_request", "the body is not JSON") from None
    if not isinstance(body, dict):
        raise Refused(400, "invalid_request", "the body is no JSON object")
    return body


def _event(value: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(value)}\n\n"


def _error(status: int, code: str, message: str) -> JSONResponse:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return JSONResponse({"error": error}, status_code=status)
