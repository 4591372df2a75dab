"""Bytes both ways over a socket, plain or within TLS, behind one interface.

Who serves a sandbox's connection has often read its beginning already; so TLS is ended in memory
here, and not by the event loop, which could not be given those bytes back.
"""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

CHUNK_BYTES: Final = 64 * 1024
_LINGER_S: Final = 1.0

T = TypeVar("T")


class Stream(Protocol):
    """A connection. Everything raises OSError when it is lost."""

    async def receive(self, count_max: int = CHUNK_BYTES) -> bytes:
        """Return what has come, at most `count_max` bytes; nothing at the end."""

    async def send(self, data: bytes) -> None:
        """Send all of it."""

    async def end(self) -> None:
        """Say that nothing more will be sent."""


class PlainStream:
    """A socket itself, which the caller closes.

    Args:
        connection: it, non-blocking.
        head: what was read of it before.
    """

    def __init__(self, connection: socket.socket, head: bytes = b"") -> None:
        self._socket = connection
        self._head = head

    async def receive(self, count_max: int = CHUNK_BYTES) -> bytes:
        """Return what has come."""
        if self._head:
            data, self._head = self._head[:count_max], self._head[count_max:]
            return data
        return await asyncio.get_running_loop().sock_recv(self._socket, count_max)

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def end(self) -> None:
        """Send the end of this direction."""
        with contextlib.suppress(OSError):  # the other side may be gone already
            self._socket.shutdown(socket.SHUT_WR)


class TlsStream:
    """TLS over another stream; `shake_hands` before anything else.

    Args:
        below: what the records pass through.
        context: of TLS.
        name: of the server that is expected; "" where we are the server.
    """

    def __init__(self, below: Stream, context: ssl.SSLContext, name: str = "") -> None:
        self._below = below
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=not name, server_hostname=name or None
        )
        self._sending = asyncio.Lock()  # records leave in the order they were made in

    async def shake_hands(self) -> None:
        """Agree with the other side on everything.

        Raises:
            OSError: it speaks something else, or its certificate does not hold (ssl.SSLError).
        """
        await self._drive(self._tls.do_handshake)

    async def receive(self, count_max: int = CHUNK_BYTES) -> bytes:
        """Return what has come."""
        try:
            return await self._drive(lambda: self._tls.read(count_max))
        except ssl.SSLZeroReturnError:
            return b""

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        left = memoryview(data)
        while left:
            left = left[self._tls.write(left) :]  # into memory, which always has room
        await self._flush()

    async def end(self) -> None:
        """Send the end of this direction, twice: of TLS, and of what is below."""
        with contextlib.suppress(OSError):
            with contextlib.suppress(ssl.SSLError):  # it waits for the other's, which we do not
                self._tls.unwrap()
            await self._flush()
        await self._below.end()

    async def _drive(self, operation: Callable[[], T]) -> T:
        while True:
            try:
                result = operation()
            except ssl.SSLWantReadError:
                await self._flush_unless_sending()
                await self._feed()
                continue
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    await self._flush_unless_sending()  # the alert that says why
                raise
            await self._flush_unless_sending()
            return result

    async def _feed(self) -> None:
        records = await self._below.receive()
        if not records:
            raise ConnectionResetError(errno.ECONNRESET, "the connection ended within TLS")
        self._incoming.write(records)

    async def _flush(self) -> None:
        async with self._sending:
            while records := self._outgoing.read():
                await self._below.send(records)

    async def _flush_unless_sending(self) -> None:
        """Flush, but never wait for a sender: while it waits for the other side, we must receive.

        Whoever sends takes along what was added meanwhile.
        """
        if not self._sending.locked():
            await self._flush()


class PatientStream:
    """A stream whose `receive` can be given up: what it would have returned comes next time.

    Args:
        below: the stream; nobody else receives from it until `close`.
    """

    def __init__(self, below: Stream) -> None:
        self._below = below
        self._receiving: asyncio.Task[bytes] | None = None

    async def receive(self, count_max: int = CHUNK_BYTES) -> bytes:
        """Return what has come."""
        if self._receiving is None:
            self._receiving = asyncio.create_task(self._below.receive(count_max))
        data = await asyncio.shield(self._receiving)
        self._receiving = None
        return data

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        await self._below.send(data)

    async def end(self) -> None:
        """Say that nothing more will be sent."""
        await self._below.end()

    async def close(self) -> None:
        """Receive no more. Idempotent."""
        if self._receiving is not None:
            await drop(self._receiving)


async def drop(*tasks: "asyncio.Task[Any]") -> None:
    """End tasks that nobody waits for any more, whatever comes of them."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen: what matters of it was told elsewhere


async def receive_exactly(stream: Stream, count: int) -> bytes:
    """Read `count` bytes.

    Raises:
        OSError: the stream was lost, or ended before.
    """
    data = b""
    while len(data) < count:
        more = await stream.receive(count - len(data))
        if not more:
            raise ConnectionResetError(errno.ECONNRESET, "the message is cut off")
        data += more
    return data


async def say_goodbye(stream: Stream) -> None:
    """End a stream so that the other side can still read what was sent last.

    Closing a socket that has unread bytes resets it, and with it what is under way.
    """
    await stream.end()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            while await stream.receive():
                pass
