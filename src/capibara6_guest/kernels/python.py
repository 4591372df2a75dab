"""The agent's side of a Python kernel that the host has forked and handed over.

The process belongs to the user's code; all it can do here is to send events of its own making.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from capibara6_guest.kernels import Kernel
from capibara6_guest.kernels.streams import KernelStreams, MessageError

_FORK_S: Final = 10.0
_REPEAT_S: Final = 1.0
_DIED: Final = (
    "The kernel died while it ran this code. Its variables are lost; the next execution starts "
    "with a fresh kernel."
)


class PythonKernel(Kernel):
    """A forked Python kernel.

    Args:
        channel: its socket; the object owns all three descriptors.
        stdout: the reading end of its standard output.
        stderr: the reading end of its standard error.
    """

    def __init__(self, channel: int, stdout: int, stderr: int) -> None:
        self._requests = socket.socket(fileno=os.dup(channel))
        self._requests.setblocking(False)
        self._streams = KernelStreams(channel, stdout, stderr)
        self._pidfd = -1
        self._environment: dict[str, str] = {}
        self._alive = True
        self._started = False  # the cell can be interrupted
        self._interrupt_wanted = False
        self._repetition: asyncio.TimerHandle | None = None

    @property
    def alive(self) -> bool:
        """Whether it can execute."""
        return self._alive

    def set_environment(self, env: Mapping[str, str]) -> None:
        """Set variables for good, before the next execution."""
        self._environment.update(env)

    async def execute(
        self, code: str, env: Mapping[str, str], dialect: str = ""
    ) -> AsyncIterator[dict[str, Any]]:
        """Run `code`; see `Kernel.execute`."""
        del dialect
        self._streams.stop_idling(keep=True)
        self._started = self._interrupt_wanted = False
        request = {"code": code, "env": dict(env), "environment": self._environment}
        self._environment = {}
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_sendall(self._requests, json.dumps(request).encode() + b"\n")
            while True:
                message = await self._streams.read()
                if "end" in message:
                    break
                if "pid" in message:
                    self._open_process(message["pid"])
                elif isinstance(message.get("type"), str):
                    if message["type"] == "number_of_executions":
                        self._begin()
                    yield message
        except (EOFError, MessageError, OSError) as cause:
            self._alive = False
            text = _DIED if isinstance(cause, EOFError | OSError) else f"{_DIED} ({cause})"
            yield {"type": "error", "name": "KernelDied", "value": text, "traceback": text}
        self._end_interrupts()
        if self._alive:
            self._streams.start_idling()

    async def fork(self, fds: list[int]) -> None:
        """Let the process make a copy of itself with `fds`; it must not be executing.

        Raises:
            OSError, EOFError, MessageError: it has ended, or broke its protocol.
        """
        self._streams.stop_idling(keep=True)
        socket.send_fds(self._requests, [b'{"fork": true}\n'], fds)
        try:
            async with asyncio.timeout(_FORK_S):
                while "end" not in (message := await self._streams.read()):
                    if "pid" in message:
                        self._open_process(message["pid"])
        except (OSError, EOFError, MessageError):
            self._alive = False
            raise
        self._streams.start_idling()

    def _open_process(self, pid: object) -> None:
        """Take the handle of the kernel, which names itself before it runs anybody's code."""
        if self._pidfd < 0 and isinstance(pid, int) and pid > 1:
            self._pidfd = os.pidfd_open(pid)

    def _begin(self) -> None:
        """Note that the kernel has dropped the interrupts of cells before, and heeds this one's."""
        self._started = True
        if self._interrupt_wanted:
            self._interrupt_cell()

    async def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the running cell, or in the one that is about to begin."""
        self._interrupt_wanted = True
        if self._started:
            self._interrupt_cell()

    def _interrupt_cell(self) -> None:
        """Signal now, and again while the cell goes on.

        IPython takes an interrupt that meets one of its callbacks for that callback's failure, and
        goes on with the cell; and asyncio only asks a cell that has awaited to end at its next
        await, unless it is interrupted a second time.
        """
        self._end_interrupts()
        self._signal(signal.SIGINT)
        loop = asyncio.get_running_loop()
        self._repetition = loop.call_later(_REPEAT_S, self._interrupt_cell)

    def _end_interrupts(self) -> None:
        if self._repetition is not None:
            self._repetition.cancel()
            self._repetition = None

    async def stop(self) -> None:
        """Kill the kernel. Idempotent."""
        self._alive = False
        self._end_interrupts()
        self._signal(signal.SIGKILL)
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        self._requests.close()  # a kernel that has not said hello yet ends by itself
        self._streams.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)
