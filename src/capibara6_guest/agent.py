"""The agent: accepts calls on a listening stream socket and hands them to operations.

Owns the connection's life and the mapping of failures to replies; the operations themselves live
in `files`, `processes` and `contexts`.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from capibara6_guest import wire

_ERROR_CHARS_MAX = 10_000

Operation = Callable[["Call"], Awaitable[dict[str, Any]]]


class Call:
    """One call from the gateway: its arguments and both directions of its stream."""

    def __init__(
        self,
        arguments: dict[str, Any],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.arguments = arguments
        self._reader = reader
        self._writer = writer
        self._has_room = False

    async def send(self, message: dict[str, Any]) -> None:
        """Send one event and wait until the peer has room (back-pressure)."""
        self._writer.write(wire.encode_message(message))
        await self._writer.drain()

    async def send_data(self, data: bytes) -> None:
        """Send one DATA frame of at most `wire.DATA_BYTES_MAX` bytes."""
        if not self._has_room:  # most calls carry no data: the room costs them 0.2 ms
            self._has_room = True
            wire.make_room(self._writer)
        self._writer.write(wire.encode(wire.DATA, data))
        await self._writer.drain()

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the caller's DATA until END.

        Raises:
            ConnectionError: the caller left before END.
        """
        while True:
            frame = await wire.read_frame(self._reader)
            if frame is None:
                raise ConnectionError("the caller left before the end of its body")
            kind, payload = frame
            if kind == wire.END:
                return
            if kind == wire.DATA:
                yield payload

    async def disconnected(self) -> None:
        """Return when the caller has closed its side; for operations without a body."""
        with contextlib.suppress(wire.FrameError, ConnectionError):
            while await wire.read_frame(self._reader) is not None:
                pass

    def text(self, name: str, default: str | None = None) -> str:
        """Return a string argument.

        Raises:
            wire.CallError: invalid_argument when it is missing without default, or not a string.
        """
        value = self.arguments.get(name, default)
        if not isinstance(value, str):
            raise wire.CallError("invalid_argument", f"argument {name!r} must be a string")
        return value


class Agent:
    """Serves operations on one listening socket."""

    def __init__(self, operations: dict[str, Operation]) -> None:
        self._operations = operations
        self._calls: set[asyncio.Task[None]] = set()

    async def serve(self, listener: socket.socket) -> None:
        """Accept calls until cancelled."""
        server = await asyncio.start_server(self._accept, sock=listener)
        async with server:
            await server.serve_forever()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, wire.FrameError):
            frame = await wire.read_frame(reader)
            if frame is not None and frame[0] == wire.MESSAGE:
                await self._answer(wire.decode_message(frame[1]), reader, writer)
        writer.close()

    def _find(self, name: object) -> Operation:
        operation = self._operations.get(str(name))
        if operation is None:
            raise wire.CallError("unimplemented", f"no operation {name!r}")
        return operation

    async def _answer(
        self,
        arguments: dict[str, Any],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        try:
            operation = self._find(arguments.get("op"))
            done = await operation(Call(arguments, reader, writer))
            reply = wire.encode_message({"done": done})
        except wire.CallError as failure:
            reply = _encode_error(failure.code, failure.message)
        except ConnectionError:
            return
        except Exception as failure:  # noqa: BLE001 - the agent must outlive every operation
            reply = _encode_error("internal", f"{failure!r}")
        writer.write(reply)
        await writer.drain()


def _encode_error(code: str, message: str) -> bytes:
    return wire.encode_message({"error": {"code": code, "message": message[:_ERROR_CHARS_MAX]}})
