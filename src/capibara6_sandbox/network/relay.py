"""Bytes between two sockets, both ways, each direction to its own end."""

import asyncio
import contextlib
import socket
import struct
from typing import Final

CHUNK_BYTES: Final = 256 * 1024
_TURNS: Final = 16  # chunks without waiting, before others get theirs
_RESET: Final = struct.pack("ii", 1, 0)

# One for all: what cannot be sent at once is copied out of it.
_chunk = memoryview(bytearray(CHUNK_BYTES))


async def relay(inner: socket.socket, outer: socket.socket) -> None:
    """Pass bytes until both directions have ended.

    Raises:
        OSError: a connection was reset; the caller resets the other.
    """
    async with asyncio.TaskGroup() as group:
        group.create_task(_pass(inner, outer))
        group.create_task(_pass(outer, inner))


async def _pass(source: socket.socket, target: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    turns = 0
    while True:
        try:
            count = source.recv_into(_chunk)
        except BlockingIOError:
            turns = 0
            await _readable(loop, source)
            continue
        if not count:
            break
        try:
            sent = target.send(_chunk[:count])
        except BlockingIOError:
            sent = 0
        if sent < count:
            await loop.sock_sendall(target, bytes(_chunk[sent:count]))
        turns += 1
        if turns % _TURNS == 0:
            await asyncio.sleep(0)
    with contextlib.suppress(OSError):  # the other side may be gone already
        target.shutdown(socket.SHUT_WR)


async def _readable(loop: asyncio.AbstractEventLoop, source: socket.socket) -> None:
    ready = loop.create_future()
    fd = source.fileno()
    loop.add_reader(fd, _resolve, ready)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


def _resolve(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


def reset(connection: socket.socket) -> None:
    """Close a connection so that the other end reads an error, not an end."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()
