"""The reply to a streaming call, as ASGI messages."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from capibara6_guest.wire import CallError
from capibara6_sandbox.gateway.connections import cut
from capibara6_sandbox.gateway.envd.disconnects import unless_disconnected
from capibara6_sandbox.gateway.envd.envelopes import END, STREAM_TYPE, envelope
from capibara6_sandbox.gateway.envd.errors import connect_error, sandbox_lost_response
from capibara6_sandbox.host.guest_client import GuestLostError

Messages = AsyncIterator[dict[str, Any]]


def stream_error_response(failure: CallError) -> Response:
    """Answer a streaming call that failed before its stream began."""
    body = envelope({"error": connect_error(failure)}, END)
    return Response(body, media_type=STREAM_TYPE)


class StreamReply:
    """The reply that sends messages as envelopes, as an ASGI application.

    It starts with the first message, so that a lost sandbox can still be a 502. When the sandbox
    is lost later, the connection is cut, and the client sees a stream without its end.
    """

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the messages, then an envelope that says how the call ended."""
        end: dict[str, Any] = {}
        try:
            async for message in self._messages:
                await self._send(send, envelope(message))
        except CallError as failure:
            end = {"error": connect_error(failure)}
        except ClientDisconnect:
            return
        except GuestLostError:
            if not self._started:
                await sandbox_lost_response(scope["sandbox"].id)(scope, receive, send)
            else:
                cut(scope)
            return
        await self._send(send, envelope(end, END), more=False)

    async def _send(self, send: Send, body: bytes, *, more: bool = True) -> None:
        if not self._started:
            self._started = True
            headers = [(b"content-type", STREAM_TYPE.encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": more})


class LiveReply(StreamReply):
    """A reply to a request that has been read: notices that the client left, and is never silent.

    Args:
        messages: what to send.
        keepalive: the message to send when there was no other.
        keepalive_s: after how much silence.
    """

    def __init__(self, messages: Messages, keepalive: dict[str, Any], keepalive_s: float) -> None:
        super().__init__(messages)
        self._keepalive = keepalive
        self._keepalive_s = keepalive_s
        self._sent_at_s = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the messages and, between them, signs of life."""
        pulse = asyncio.create_task(self._pulse(send))
        try:
            await unless_disconnected(receive, super().__call__(scope, receive, send))
        except ClientDisconnect:
            return
        finally:
            pulse.cancel()
            await asyncio.wait({pulse})

    async def _send(self, send: Send, body: bytes, *, more: bool = True) -> None:
        self._sent_at_s = asyncio.get_running_loop().time()
        await super()._send(send, body, more=more)

    async def _pulse(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        self._sent_at_s = loop.time()
        while True:
            await asyncio.sleep(self._sent_at_s + self._keepalive_s - loop.time())
            if not self._started:
                self._sent_at_s = loop.time()
            elif loop.time() >= self._sent_at_s + self._keepalive_s:
                await self._send(send, envelope(self._keepalive))
