"""What an application may do with the connection of a request: cut it, or take it over.

A plain close is not enough to say that a stream was not completed: clients take the end of a
connection for the end of a bad reply, but a reset for what it is, the loss of the sandbox, and then
ask whether it still lives.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import httptools
from starlette.types import Scope

from capibara6_http.connections import BoundedHttpProtocol

_CUT: Final = "capibara6.cut"
_DETACH: Final = "capibara6.detach"
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # struct linger: on, without waiting
_HELD_BYTES_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Detached:
    """A connection that HTTP has left; its new owner closes it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    release: Callable[[], None]  # to be called at its end: gives its place back


class CuttableHttpProtocol(BoundedHttpProtocol):
    """HTTP/1.1 within bounds; an application can cut connections, or take them over (upgrades).

    What a client sends behind a request for an upgrade is held until the application has decided;
    after a plain reply to such a request the connection is closed.
    """

    _held: bytearray | None = None

    def on_message_begin(self) -> None:
        """Begin a request, and give its scope the ways to cut it and to take it over."""
        super().on_message_begin()
        self.scope["extensions"] = {_CUT: {"call": self._cut}, _DETACH: {"call": self._detach}}

    def data_received(self, data: bytes) -> None:
        """Parse requests; hold what follows one that asks for an upgrade."""
        if self._held is not None:
            self._hold(data)
            return
        super().data_received(data)

    def parse(self, data: bytes) -> None:
        """Feed the parser."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._held = bytearray()
            self.cycle.keep_alive = False
            self._hold(data[upgrade.args[0] :])

    def _hold(self, data: bytes) -> None:
        assert self._held is not None
        self._held += data
        if len(self._held) > _HELD_BYTES_MAX:
            self.flow.pause_reading()

    def _detach(self) -> Detached:
        """Hand the connection over; for HTTP it is as if the client had left."""
        self.cycle.disconnected = True
        self.connections.discard(self)
        reader = asyncio.StreamReader(limit=_HELD_BYTES_MAX)
        protocol = asyncio.StreamReaderProtocol(reader)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        if self._held:
            reader.feed_data(bytes(self._held))
        self.flow.resume_reading()
        writer = asyncio.StreamWriter(self.transport, protocol, reader, self.loop)
        return Detached(reader, writer, self.leave)

    def _cut(self) -> None:
        connection = self.transport.get_extra_info("socket")
        if not self.transport.is_closing():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.transport.abort()


def cut(scope: Scope) -> None:
    """Cut the connection of a request whose reply cannot be completed; the caller then returns.

    Under another server nothing happens here: that server closes what is incomplete.
    """
    extension = scope.get("extensions", {}).get(_CUT)
    if extension is not None:
        extension["call"]()


def detach(scope: Scope) -> Detached:
    """Take over the connection of a request for an upgrade, to which nothing has been replied."""
    detached: Detached = scope["extensions"][_DETACH]["call"]()
    return detached
