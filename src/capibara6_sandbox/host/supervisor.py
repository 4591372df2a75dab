"""The server's end of the channel to a container's supervisor (`zygote.container`)."""

import asyncio
import os
import socket
from typing import Any, Final

from capibara6_sandbox.errors import StartError
from capibara6_sandbox.zygote.channel import Channel

_START_S_MAX: Final = 40.0
_ANSWER_S_MAX: Final = 15.0


class Supervisor:
    """Orders to the process that runs one container, and what it says of the container's end."""

    def __init__(self) -> None:
        self._end: socket.socket | None = None
        self._turn = asyncio.Lock()
        self.reason = ""  # why the container has ended, once it has said so

    def open(self) -> socket.socket:
        """Return the supervisor's end, which the caller closes."""
        self._end, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._end.setblocking(False)
        return theirs

    async def running(self) -> tuple[int, int]:
        """Wait until the container runs.

        Returns:
            Descriptors, the caller's to close: the writable layer, and where the agent's socket is.

        Raises:
            StartError: the runtime refused, in its own words.
        """
        _, fds = await self._expect("running", _START_S_MAX)
        if len(fds) != 2:
            _close_all(fds)
            raise StartError("Its supervisor broke the protocol.")
        return fds[0], fds[1]

    async def order(self, verb: str) -> None:
        """Have the runtime do something with its container.

        Raises:
            StartError: it refused, or the container has ended.
        """
        async with self._turn:
            if self._end is None:
                raise StartError("The sandbox has ended.")
            try:
                Channel(self._end).send({"verb": verb})
            except OSError as cause:
                raise StartError(f"The sandbox has ended ({cause}).") from None
            _close_all((await self._expect("said", _ANSWER_S_MAX))[1])

    async def _expect(self, key: str, seconds: float) -> tuple[dict[str, Any], list[int]]:
        try:
            async with asyncio.timeout(seconds):
                message, fds = await self._receive()
        except TimeoutError:
            raise StartError(f"Its runtime did not answer in {seconds:.0f} s.") from None
        if key not in message:
            _close_all(fds)
            self._note(message)
            raise StartError(self.reason or "its supervisor ended")
        return message, fds

    async def _receive(self) -> tuple[dict[str, Any], list[int]]:
        """Wait for a message; an empty one says that the supervisor is gone."""
        loop = asyncio.get_running_loop()
        while (end := self._end) is not None:
            try:
                return Channel(end).receive() or ({}, [])
            except BlockingIOError:
                ready = loop.create_future()
                loop.add_reader(end, _resolve, ready)
                try:
                    await ready
                finally:
                    loop.remove_reader(end)
            except OSError:
                break
        return {}, []

    def _note(self, message: dict[str, Any]) -> None:
        self.reason = str(message.get("ended") or message.get("error") or self.reason)

    def hear_last_words(self) -> None:
        """Read why it has ended, if it has said so and nobody waited for it."""
        if self._end is None:
            return
        try:
            received = Channel(self._end).receive()
        except OSError:
            return
        if received is not None:
            _close_all(received[1])
            self._note(received[0])

    def close(self) -> None:
        """End the channel, and with it the container. Idempotent."""
        if self._end is not None:
            self._end.close()
            self._end = None


def _close_all(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


def _resolve(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)
