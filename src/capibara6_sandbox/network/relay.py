"""Bytes between two sockets, both ways, each direction to its own end."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Final

from capibara6_guest.readiness import readable
from capibara6_sandbox.network.streams import Stream

CHUNK_BYTES: Final = 64 * 1024  # also what a slow receiver makes us hold
_TURNS: Final = 16  # chunks without waiting, before others get theirs
_BURST_S: Final = 0.1
_RESET: Final = struct.pack("ii", 1, 0)
_NO_RESET: Final = struct.pack("ii", 0, 0)

# One for all: what cannot be sent at once is copied out of it.
_chunk = memoryview(bytearray(CHUNK_BYTES))


class Allowance:
    """What a sandbox may pass in a second.

    Args:
        rate_bytes_s: bytes; 0 for no limit.
        on_hold: called each time that bytes have to wait.
    """

    def __init__(self, rate_bytes_s: float, on_hold: Callable[[], None] = lambda: None) -> None:
        self._rate = rate_bytes_s
        self._on_hold = on_hold
        self._paid_until = 0.0

    async def spend(self, count: int) -> None:
        """Wait until `count` bytes more have been earned, but for a short burst."""
        if not self._rate:
            return
        now = asyncio.get_running_loop().time()
        self._paid_until = max(now, self._paid_until) + count / self._rate
        if self._paid_until > now + _BURST_S:
            self._on_hold()
            await asyncio.sleep(self._paid_until - now - _BURST_S)


async def relay(inner: socket.socket, outer: socket.socket, allowance: Allowance) -> None:
    """Pass bytes until both directions have ended.

    Raises:
        OSError: a connection was reset; the caller resets the other.
    """
    async with asyncio.TaskGroup() as group:
        group.create_task(_pass(inner, outer, allowance))
        group.create_task(_pass(outer, inner, allowance))


async def _pass(source: socket.socket, target: socket.socket, allowance: Allowance) -> None:
    loop = asyncio.get_running_loop()
    turns = 0
    while True:
        try:
            count = source.recv_into(_chunk)
        except BlockingIOError:
            turns = 0
            await readable(source.fileno())
            continue
        if not count:
            break
        try:
            sent = target.send(_chunk[:count])
        except BlockingIOError:
            sent = 0
        if sent < count:
            await loop.sock_sendall(target, bytes(_chunk[sent:count]))
        await allowance.spend(count)
        turns += 1
        if turns % _TURNS == 0:
            await asyncio.sleep(0)
    with contextlib.suppress(OSError):  # the other side may be gone already
        target.shutdown(socket.SHUT_WR)


async def relay_streams(
    one: Stream, other: Stream, allowance: Allowance, rests: tuple[bytes, bytes] = (b"", b"")
) -> None:
    """Pass bytes until both directions have ended.

    Args:
        one: a side.
        other: the other side.
        allowance: what may pass.
        rests: what each side has sent already.

    Raises:
        OSError: a connection was lost (in a group); the caller resets the other.
    """
    async with asyncio.TaskGroup() as group:
        group.create_task(_pass_stream(one, other, allowance, rests[0]))
        group.create_task(_pass_stream(other, one, allowance, rests[1]))


async def _pass_stream(source: Stream, target: Stream, allowance: Allowance, data: bytes) -> None:
    data = data or await source.receive()
    while data:
        await allowance.spend(len(data))
        await target.send(data)
        data = await source.receive()
    await target.end()


def break_off_at_death(connection: socket.socket) -> None:
    """Let whatever closes a connection reset it, be it the end of this process; but `part` not.

    An end in the middle would be taken for the whole. Connections inherit it from their listener.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def part(connection: socket.socket) -> None:
    """Close a connection whose both directions have ended."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_RESET)
    connection.close()


def reset(connection: socket.socket) -> None:
    """Close a connection so that the other end reads an error, not an end. Idempotent."""
    with contextlib.suppress(OSError):
        break_off_at_death(connection)
    connection.close()
