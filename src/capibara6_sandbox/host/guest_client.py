"""Calls to one sandbox's agent. Everything that comes back is untrusted: framed, bounded, data."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from capibara6_guest import wire

CALLS_MAX: Final = 512  # under way to one agent
_ROOM_S: Final = 10.0  # for the agent to take calls that stand in its queue
_LOOK_AGAIN_S: Final = 0.005


class TooManyCallsError(wire.CallError):
    """One sandbox has as many calls under way as it may have."""

    def __init__(self) -> None:
        text = f"the sandbox has too many concurrent calls (limit: {CALLS_MAX}); end some"
        super().__init__("resource_exhausted", text)


class GuestLostError(Exception):
    """The agent cannot be reached, or broke the protocol: the sandbox is gone or of no use."""


class GuestCall:
    """One call under way; a context manager, whose exit closes the connection (and so cancels)."""

    def __init__(self, client: "GuestClient", operation: str, arguments: dict[str, Any]) -> None:
        self._client = client
        self._message = {"op": operation, **arguments}
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._has_room = False
        self.result: dict[str, Any] | None = None  # set when events() has ended

    async def __aenter__(self) -> Self:
        if self._client.parked:
            raise GuestLostError("the sandbox is paused")
        if self._client.busy >= CALLS_MAX:
            raise TooManyCallsError
        self._client.busy += 1
        try:
            end = await _connected(self._client.socket_path)
            self._reader, self._writer = await asyncio.open_unix_connection(sock=end)
            self._writer.write(wire.encode_message(self._message))
        except OSError as cause:
            self._client.busy -= 1
            raise GuestLostError(f"the agent does not answer ({cause})") from None
        except BaseException:
            self._client.busy -= 1
            raise
        self._client.enter(self)
        return self

    def cut(self) -> None:
        """End the connection at once, whatever is under way."""
        if self._writer is not None:
            self._writer.transport.abort()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._client.leave(self)
            self._client.busy -= 1
            self._writer.close()

    async def send_data(self, data: bytes) -> None:
        """Send a piece of the body and wait for room.

        Raises:
            GuestLostError: the agent has closed the connection.
        """
        assert self._writer is not None
        if not self._has_room:
            self._has_room = True
            wire.make_room(self._writer)
        try:
            for start in range(0, len(data), wire.DATA_BYTES_MAX):
                piece = data[start : start + wire.DATA_BYTES_MAX]
                self._writer.write(wire.encode(wire.DATA, piece))
                await self._writer.drain()
        except OSError as cause:
            raise GuestLostError(f"the agent closed the connection ({cause})") from None

    async def end_data(self) -> None:
        """Say that the body is complete."""
        assert self._writer is not None
        with contextlib.suppress(OSError):
            self._writer.write(wire.encode(wire.END))
            await self._writer.drain()

    async def events(self) -> AsyncGenerator[dict[str, Any] | bytes, None]:
        """Yield events (dict) and data (bytes) until the operation is done; then set `result`.

        Raises:
            wire.CallError: the operation failed.
            GuestLostError: the connection ended before the result, or the framing broke.
        """
        assert self._reader is not None
        while True:
            try:
                frame = await wire.read_frame(self._reader)
            except (wire.FrameError, OSError) as cause:
                raise GuestLostError(str(cause)) from None
            if frame is None:
                raise GuestLostError("the agent closed the connection before its result")
            kind, payload = frame
            if kind == wire.DATA:
                yield payload
            elif kind == wire.MESSAGE:
                message = _parse(payload)
                if "done" in message:
                    done = message["done"]
                    self.result = done if isinstance(done, dict) else {}
                    return
                yield message


def _parse(payload: bytes) -> dict[str, Any]:
    try:
        message = wire.decode_message(payload)
    except wire.FrameError as cause:
        raise GuestLostError(str(cause)) from None
    error = message.get("error")
    if isinstance(error, dict) and set(message) == {"error"}:
        raise wire.CallError(str(error.get("code", "internal")), str(error.get("message", "")))
    return message


async def _connected(path: Path) -> socket.socket:
    """Return a connection to the agent, which may have to take others first.

    Linux refuses one to a full queue with EAGAIN, which event loops take for "under way".

    Raises:
        OSError: nobody listens, or the queue stays full.
    """
    deadline = time.monotonic() + _ROOM_S
    while True:
        end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            end.connect(str(path))
        except BlockingIOError:
            end.close()
            if time.monotonic() > deadline:
                raise TimeoutError(f"its queue was full for {_ROOM_S:.0f} s") from None
        except BaseException:
            end.close()
            raise
        else:
            return end
        await asyncio.sleep(_LOOK_AGAIN_S)


class GuestClient:
    """Makes calls to the agent that listens on `socket_path`."""

    def __init__(self, socket_path: Path) -> None:
        self.socket_path = socket_path
        self.parked = False
        self.called: set[str] = set()  # the operations that were ever asked of the agent
        self.busy = 0  # calls that are under way or begin
        self._calls: set[GuestCall] = set()

    def park(self) -> None:
        """Refuse calls, and cut those under way.

        The agent must stand still by now: it takes a caller that leaves for one that gave up, and
        would interrupt a kernel that cannot heed it.
        """
        self.parked = True
        for call in self._calls:
            call.cut()

    def unpark(self) -> None:
        """Take calls again."""
        self.parked = False

    def enter(self, call: GuestCall) -> None:
        """Count a call as under way."""
        self._calls.add(call)
        if self.parked:
            call.cut()

    def leave(self, call: GuestCall) -> None:
        """Count a call as done."""
        self._calls.discard(call)

    def call(self, operation: str, **arguments: Any) -> GuestCall:
        """Prepare a streaming call; use it with `async with`."""
        self.called.add(operation)
        return GuestCall(self, operation, arguments)

    async def request(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Make a call without streams and return its result.

        Raises:
            wire.CallError: the operation failed.
            GuestLostError: the sandbox is gone.
        """
        async with self.call(operation, **arguments) as call:
            async for _ in call.events():
                pass
            return call.result or {}
