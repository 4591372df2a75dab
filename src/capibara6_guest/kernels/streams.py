"""The three streams that come from a kernel's process, merged in the order of events."""

import asyncio
import contextlib
import json
import os
import select
from collections import deque
from typing import Any, Final

from capibara6_guest.kernels.output import READ_BYTES_MAX, OutputPipe

MESSAGE_BYTES_MAX: Final = 64 * 1024 * 1024
_STARTS: Final = ("started", "number_of_executions")


class MessageError(Exception):
    """A kernel sent something that is no message."""


class MessagePipe:
    """A pipe of JSON objects, one a line.

    Args:
        fd: the reading end; the object owns it.
    """

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.ended = False
        self._buffer = bytearray()
        self._searched = 0

    def fill(self) -> bool:
        """Read what the pipe holds now; return whether there may be more."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self.fd, READ_BYTES_MAX)
            self.ended = not data
            self._buffer += data
            return not self.ended
        return False

    def take_all(self) -> list[dict[str, Any]]:
        """Return the complete messages.

        Raises:
            MessageError: a line is no JSON object, or too long.
        """
        messages = []
        while (message := self._take()) is not None:
            messages.append(message)
        return messages

    def _take(self) -> dict[str, Any] | None:
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._buffer)
            if self._searched > MESSAGE_BYTES_MAX:
                raise MessageError(f"a message of more than {MESSAGE_BYTES_MAX} bytes")
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return _parse(line)

    def close(self) -> None:
        """Give the descriptor back. Idempotent."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd, self.ended = -1, True


def _parse(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as cause:
        raise MessageError(f"a message that is not JSON: {cause}") from None
    if not isinstance(message, dict):
        raise MessageError("a message that is not a JSON object")
    return message


class KernelStreams:
    """Reads a kernel's messages, standard output and standard error, on demand.

    Output that was written before a message comes before it. The descriptors are owned.

    Args:
        messages_fd: the pipe of messages.
        stdout_fd: the pipe of its standard output.
        stderr_fd: the pipe of its standard error.
        process_fd: its pidfd, if known: programs that it started may hold its pipes beyond its end.
    """

    def __init__(
        self, messages_fd: int, stdout_fd: int, stderr_fd: int, process_fd: int = -1
    ) -> None:
        self._process_fd = process_fd
        self._messages = MessagePipe(messages_fd)
        self._outputs = (OutputPipe(stdout_fd, "stdout"), OutputPipe(stderr_fd, "stderr"))
        self._collected: deque[dict[str, Any]] = deque()
        self._readable: asyncio.Future[None] | None = None
        self._watched: list[int] = []

    async def read(self) -> dict[str, Any]:
        """Wait for the next event or message.

        Raises:
            EOFError: the process has closed its messages, that is, has ended; all is read.
            MessageError: it sent something else.
        """
        loop = asyncio.get_running_loop()
        while not self._collected:
            if self._messages.ended:
                raise EOFError
            self._collect(loop.time())
            if not self._collected and not self._messages.ended:
                await self._wait(loop)
        return self._collected.popleft()

    def _collect(self, now: float) -> None:
        """Look for messages first; what was printed before them is then there to be read.

        Each output is read once, so that a program that prints without end delays no message.
        """
        exited = self._exited()  # asked first: all that it has sent is then there
        if not self._messages.fill() and exited:
            self._messages.ended = True
        messages = self._messages.take_all()
        # No output of an execution is older than the message that it has started. And clients may
        # lose a cancellation that meets an event, which this one just after their output would.
        self._collected.extend(m for m in messages if m.get("type") in _STARTS)
        for output in self._outputs:
            output.fill(now)
            event = output.take(now, flush=bool(messages) or self._messages.ended)
            if event is not None:
                self._collected.append(event)
        self._collected.extend(m for m in messages if m.get("type") not in _STARTS)

    def _exited(self) -> bool:
        if self._process_fd < 0:
            return False
        poll = select.poll()
        poll.register(self._process_fd, select.POLLIN)
        return bool(poll.poll(0))

    async def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for a stream to be readable, or for held-back output to fall due."""
        self._readable = loop.create_future()
        self._watched = [pipe.fd for pipe in (self._messages, *self._outputs) if not pipe.ended]
        if self._process_fd >= 0:
            self._watched.append(self._process_fd)
        for fd in self._watched:
            loop.add_reader(fd, self._wake)
        dues = [due for output in self._outputs if (due := output.due()) is not None]
        timer = loop.call_at(min(dues), self._wake) if dues else None
        try:
            await self._readable
        finally:
            self._wake()
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        """End the waiting, and watch nothing that may be closed next."""
        for fd in self._watched:
            asyncio.get_running_loop().remove_reader(fd)
        self._watched = []
        if self._readable is not None and not self._readable.done():
            self._readable.set_result(None)

    def rest(self) -> list[dict[str, Any]]:
        """Return what is still in the output pipes of an ended process."""
        events = []
        for output in self._outputs:
            output.fill(0.0)
            event = output.take(0.0, flush=True)
            if event is not None:
                events.append(event)
        return events

    def start_idling(self) -> None:
        """Keep background output flowing while no cell runs."""
        for output in self._outputs:
            output.start_idling()

    def stop_idling(self, *, keep: bool) -> None:
        """End that; `keep` the last of what was read for the next cell."""
        for output in self._outputs:
            output.stop_idling(keep=keep)

    def close(self) -> None:
        """Give all descriptors back; a waiting `read` ends. Idempotent."""
        self._wake()
        for pipe in (self._messages, *self._outputs):
            pipe.close()
        if self._process_fd >= 0:
            os.close(self._process_fd)
            self._process_fd = -1
