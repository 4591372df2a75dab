"""Refuses bodies that are too large while they arrive, without collecting them first."""

from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from capibara6.api.faults import error_response
from capibara6_http.room import NoRoomError, hold

_TOO_LARGE: Final = 413
_BUSY: Final = 503


class BodyLimitMiddleware:
    """Answers 413 to a body beyond the limit: by its announced length, or when it gets there."""

    def __init__(self, app: ASGIApp, body_bytes_max: int) -> None:
        self.app = app
        self._body_bytes_max = body_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a counted body."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > self._body_bytes_max:
            response = error_response(_TOO_LARGE, "too_large", self._message(int(announced)))
            await response(scope, receive, send)
            return
        await self.app(scope, self._counted(scope, receive), send)

    def _counted(self, scope: Scope, receive: Receive) -> Receive:
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            size = len(message.get("body", b""))
            received += size
            _hold(scope, size)
            if received > self._body_bytes_max:
                # Raised inside the application, whose handler gives it the common shape.
                raise HTTPException(_TOO_LARGE, self._message(received))
            return message

        return counted

    def _message(self, size_bytes: int) -> str:
        return f"The request's body has {size_bytes:,} bytes; the limit is {self._body_bytes_max:,}"


def _hold(scope: Scope, size: int) -> None:
    try:
        hold(scope, size)
    except NoRoomError as cause:
        raise HTTPException(_BUSY, str(cause), {"Retry-After": "1"}) from None
