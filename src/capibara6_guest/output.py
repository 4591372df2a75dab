"""What a program prints: handed to every listener, with a bounded tail for those who come late.

A listener that does not keep up holds the program back (its pipe fills); nothing piles up here.
"""

import asyncio
import base64
from collections import deque

TAIL_BYTES_MAX = 64 * 1024
TAIL_CHUNKS_MAX = 1024
LISTENER_CHUNKS_MAX = 16

Chunk = tuple[str, bytes]  # "stdout", "stderr" or "pty", and what was printed


def chunk_event(chunk: Chunk) -> dict[str, str]:
    """Return a chunk in the form in which calls send it."""
    stream, data = chunk
    return {stream: base64.b64encode(data).decode("ascii")}


class Listener:
    """One reader of a program's output."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Chunk | None] = asyncio.Queue(LISTENER_CHUNKS_MAX)
        self.closed = False

    async def offer(self, chunk: Chunk | None) -> None:
        """Hand over a chunk (None: there is no more), waiting for room while it listens."""
        if not self.closed:
            await self._queue.put(chunk)

    async def next(self) -> Chunk | None:
        """Return the next chunk; None at the end of the output or once closed."""
        return await self._queue.get()

    def close(self) -> int:
        """Stop listening: releases whoever waits in `offer`, ends `next`; return what was left."""
        self.closed = True
        left = 0
        while not self._queue.empty():
            left += self._queue.get_nowait() is not None
        self._queue.put_nowait(None)
        return left


class Output:
    """Everything that one program prints."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._tail: deque[Chunk] = deque()
        self._tail_bytes = 0
        self._unheard_chunks = 0

    @property
    def heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def listen(self) -> tuple[Listener, list[Chunk]]:
        """Add a listener; also return what was printed since the last one left."""
        unheard = list(self._tail)[len(self._tail) - self._unheard_chunks :]
        self._unheard_chunks = 0
        listener = Listener()
        self._listeners.append(listener)
        return listener, unheard

    def leave(self, listener: Listener) -> None:
        """Remove a listener. Idempotent."""
        if listener in self._listeners:
            self._listeners.remove(listener)
            left = listener.close()
            if not self._listeners:
                self._unheard_chunks = min(left, len(self._tail))

    def tail(self) -> list[Chunk]:
        """Return the last part of everything that was printed."""
        return list(self._tail)

    async def publish(self, chunk: Chunk) -> None:
        """Hand a chunk to all who listen, and wait until each has room for it."""
        self._remember(chunk)
        for listener in tuple(self._listeners):
            await listener.offer(chunk)

    async def end(self) -> None:
        """Tell all who listen that there is no more."""
        for listener in tuple(self._listeners):
            await listener.offer(None)

    def _remember(self, chunk: Chunk) -> None:
        self._tail.append(chunk)
        self._tail_bytes += len(chunk[1])
        if not self._listeners:
            self._unheard_chunks += 1
        while self._tail_bytes > TAIL_BYTES_MAX or len(self._tail) > TAIL_CHUNKS_MAX:
            self._tail_bytes -= len(self._tail.popleft()[1])
        self._unheard_chunks = min(self._unheard_chunks, len(self._tail))
