"""The endpoint that the platform sees: OpenAI's API on loopback, with a random key.

It stands from the platform's opening to its end and costs nothing until a model is asked for.
"""

import asyncio
import contextlib
import functools
import hmac
import json
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from capibara6.local_models.answering import Answering, ClientLeftError, answered
from capibara6.local_models.borrowing import FORWARDED, MOVED, MOVED_STATUS
from capibara6.local_models.completions import Refused
from capibara6.local_models.serving import HeldElsewhere, ServedModel
from capibara6_http.connections import BoundedHttpProtocol, Bounds
from capibara6_http.places import Places

_BODY_BYTES_MAX: Final = 4 * 1024 * 1024
_CONNECTIONS_MAX: Final = 128
_GRACE_S: Final = 1
_LEFT: Final = 499  # nobody reads it


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
        for model in self._models.values():
            model.listens(self.base_url, self.key)
        # Anybody on this machine can connect: who says nothing takes no place from those who ask.
        bounds = Bounds(Places(_CONNECTIONS_MAX), _refusal)
        config = uvicorn.Config(
            self._app,
            http=functools.partial(BoundedHttpProtocol, bounds=bounds),  # type: ignore[arg-type]
            lifespan="off",
            log_config=None,
            access_log=False,
            ws="none",
            proxy_headers=False,
            server_header=False,
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
            if FORWARDED in request.headers:
                return await Answering(request, served, body).response()
            return await answered(request, served, body)
        except HeldElsewhere:
            return _error(MOVED_STATUS, MOVED, "Another platform runs this model.")
        except Refused as refusal:
            return _error(refusal.status, refusal.code, str(refusal))
        except ClientLeftError:
            return Response(status_code=_LEFT)

    def _named(self, name: str) -> ServedModel:
        if name not in self._models:
            known = ", ".join(self._models)
            raise Refused(404, "model_not_found", f"no such local model; known: {known}")
        return self._models[name]

    def _opens(self, request: Request) -> bool:
        sent = request.headers.get("authorization", "")
        return hmac.compare_digest(sent.encode(), f"Bearer {self.key}".encode())


class _QuietServer(uvicorn.Server):
    """Leaves signals to the program around it."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        """Capture none."""
        yield


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


def _error(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse(_refusal(status, message, code), status_code=status)


def _refusal(_: int, message: str, code: str = "invalid_request") -> object:
    """Return OpenAI's form of an error."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return {"error": error}
