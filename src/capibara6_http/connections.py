"""uvicorn's HTTP/1.1 with bounds on what a client may send, and on how long it may take.

uvicorn bounds neither the size of a head nor the time that it takes, and takes trailers for
headers. Here a request's head is bounded in bytes and time, silence within a body and a reader that
stands still are bounded in time, and the number of connections is that of `Places`.
"""

import asyncio
import contextlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from capibara6_http.places import Places

_PIPELINED_MAX: Final = 16
_LINGER_S: Final = 2.0  # for a refused client to read why
_PIECE_BYTES_MAX: Final = 256 * 1024  # that asyncio reads at once

Refusal = Callable[[int, str], object]


def plain_refusal(status: int, message: str) -> object:
    """Return what a refused client reads, as JSON: E2B's form."""
    return {"code": status, "message": message}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a client may take of a server."""

    places: Places = field(default_factory=Places)
    refusal: Refusal = plain_refusal  # from status and message to what is sent as JSON
    head_bytes: int = 64 * 1024
    head_count: int = 256
    head_s: float = 20.0  # from its first byte, or from the connection's beginning, to its last
    body_silence_s: float = 120.0  # clients of streams say every 50 s that they live
    rest_s: float = 10.0  # for what is left of a body whose request was answered
    stall_s: float = 600.0  # that a reader takes nothing though there is something


class HeadError(Exception):
    """A request's head, or the number of requests behind it, is beyond its bounds."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        bounds: of the server; those that are shared by its connections come from here.
        arguments: uvicorn's own.
    """

    def __init__(self, *arguments: Any, bounds: Bounds | None = None, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._bounds = bounds or Bounds()
        self._refused = False
        self._in_head = True
        self._in_body = False
        self._head_bytes = 0
        self._unheeded_bytes = 0  # since anything came of what was received
        self._ends_s = math.inf  # when this connection has had its time
        self._stalls_s = math.inf

    # What asyncio calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a place, or refuse."""
        super().connection_made(transport)
        if not self._bounds.places.take(self):
            self._refuse(503, "The server has as many connections as it may have. Try again.")
            return
        self._ends_s = self.loop.time() + self._bounds.head_s

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._bounds.places.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, as far as it is within bounds."""
        if self._refused:
            return
        self._unheeded_bytes += len(data)
        if self._ends_s == math.inf and not self._in_body:
            self._ends_s = self.loop.time() + self._bounds.head_s
        try:
            self.parse(data)
        except httptools.HttpParserCallbackError as wrapped:
            self._refuse_head(wrapped)
        except httptools.HttpParserError:
            self._refuse(400, "This is no HTTP request.")
        if self._unheeded_bytes > self._bounds.head_bytes + _PIECE_BYTES_MAX:
            self._refuse(431, _too_large(self._bounds))

    def parse(self, data: bytes) -> None:
        """Feed the parser; for who does more with it."""
        self._unset_keepalive_if_required()
        with contextlib.suppress(httptools.HttpParserUpgrade):  # nobody here speaks another one
            self.parser.feed_data(data)

    def pause_writing(self) -> None:
        """Note that the client takes no more."""
        self._stalls_s = self.loop.time() + self._bounds.stall_s
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that it does again."""
        self._stalls_s = math.inf
        super().resume_writing()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_head, self._in_body = True, False
        self._head_bytes = 0
        self._ends_s = self.loop.time() + self._bounds.head_s

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers are dropped, for they come when others have believed the head."""
        if not self._in_head:
            return
        self._count(len(name) + len(value))
        if len(self.headers) >= self._bounds.head_count:
            raise HeadError(_too_large(self._bounds))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Serve the request, in its turn."""
        if len(self.pipeline) >= _PIPELINED_MAX:
            raise HeadError(f"{_PIPELINED_MAX} requests wait on this connection already.")
        self._unheeded_bytes = 0
        self._in_head, self._in_body = False, True
        self._ends_s = self.loop.time() + self._bounds.body_silence_s
        self._bounds.places.busy(self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._unheeded_bytes = 0
        if not self.cycle.response_complete:
            self._ends_s = self.loop.time() + self._bounds.body_silence_s
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take the end of a request."""
        self._unheeded_bytes = 0
        self._in_body = False
        self._ends_s = math.inf
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Take the end of a reply."""
        if not self.pipeline:
            self._bounds.places.idle(self)
        if self._in_body:  # the client still sends what nobody reads
            self._ends_s = min(self._ends_s, self.loop.time() + self._bounds.rest_s)
        super().on_response_complete()

    # What the places call.

    def expire(self, now_s: float) -> None:
        """End what takes too long."""
        if self._stalls_s <= now_s:
            self.transport.abort()
        elif self._ends_s <= now_s:
            self._expire(now_s)

    def give_way(self) -> None:
        """Close: another one needs the place."""
        self.transport.abort()

    def leave(self) -> None:
        """Give the place back: of a connection that another protocol has taken over, at its end."""
        self._bounds.places.leave(self)

    def _expire(self, now_s: float) -> None:
        waits_for_us = self.flow.read_paused if self._in_body else self._replies
        if waits_for_us and not self._refused:
            self._ends_s = now_s + self._bounds.body_silence_s
        elif self._refused or self._in_body:
            self.transport.abort()
        else:
            self._refuse(408, "The head of the request did not come in time.")

    @property
    def _replies(self) -> bool:
        """Whether a request is being served."""
        return self.cycle is not None and not self.cycle.response_complete

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._bounds.head_bytes:
            raise HeadError(_too_large(self._bounds))

    def _refuse_head(self, wrapped: httptools.HttpParserCallbackError) -> None:
        if isinstance(wrapped.__context__, HeadError):
            self._refuse(431, str(wrapped.__context__))
        else:
            self._refuse(400, "This is no HTTP request.")

    def _refuse(self, status: int, message: str) -> None:
        """Say why and close, once the client had time to read it; amid a reply, just close."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        if self._replies:
            self.transport.abort()
            return
        self._unset_keepalive_if_required()
        self.transport.write(_reply(status, self._bounds.refusal(status, message)))
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.loop.call_later(_LINGER_S, self.transport.abort)
        else:
            self.transport.close()


def _too_large(bounds: Bounds) -> str:
    return (
        f"The head of the request is larger than {bounds.head_bytes:,} bytes "
        f"or {bounds.head_count} headers."
    )


def _reply(status: int, told: object) -> bytes:
    body = json.dumps(told).encode()
    head = (
        b"content-type: application/json\r\nconnection: close\r\nretry-after: 1\r\n"
        b"content-length: %d\r\n\r\n" % len(body)
    )
    return STATUS_LINE[status] + head + body
