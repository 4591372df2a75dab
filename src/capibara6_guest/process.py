"""One program that a caller has started: its output, its input, its end."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Any

from capibara6_guest.output import Output
from capibara6_guest.readiness import readable, writable
from capibara6_guest.sessions import signal_session
from capibara6_guest.spawn import open_exit
from capibara6_guest.wire import CallError

CHUNK_BYTES_MAX = 32 * 1024
# A program that nobody listens to is still read, so that it never blocks, but not at full speed:
# the agent's own processor time is not the user's.
UNHEARD_PAUSE_S = 0.001
# After a kill, how long output may still come from processes that left the session.
DRAIN_S = 0.25
KILL_S = 2.0


@dataclass(frozen=True, slots=True)
class Command:
    """What a caller asked to run, as it is listed later."""

    cmd: str
    args: list[str]
    envs: dict[str, str]
    cwd: str | None
    tag: str | None


@dataclass(frozen=True, slots=True)
class End:
    """How a program ended; `exit_code` is -1 after a signal."""

    exit_code: int
    exited: bool
    status: str
    error: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, as calls send them."""
        return asdict(self)


class Process:
    """A started program. `run` must be awaited by a task of its own until the end."""

    def __init__(
        self,
        command: Command,
        popen: "subprocess.Popen[bytes]",
        outputs: dict[str, int],
        input_fd: int | None,
        terminal_fd: int | None = None,
    ) -> None:
        self.command = command
        self.pid = popen.pid
        self.output = Output()
        self.printed_bytes = dict.fromkeys(outputs, 0)  # by stream
        self.end: End | None = None
        self.expired = False
        self._popen = popen
        self._outputs = outputs
        self._input_fd = input_fd
        self._terminal_fd = terminal_fd
        self._input_turn = asyncio.Lock()
        self._killed = asyncio.Event()
        self._exited = asyncio.Event()
        for fd in outputs.values():
            os.set_blocking(fd, False)
        if input_fd is not None:
            os.set_blocking(input_fd, False)

    @property
    def has_terminal(self) -> bool:
        """Whether the program runs on a terminal instead of pipes."""
        return self._terminal_fd is not None

    @property
    def terminal_fd(self) -> int:
        """The controlling side of the terminal.

        Raises:
            CallError: failed_precondition when there is none, or the program has ended.
        """
        if self._terminal_fd is None:
            raise CallError("failed_precondition", f"process {self.pid} has no terminal")
        return self._terminal_fd

    async def run(self) -> End:
        """Pass the output on until the program and its output have ended; then set `end`."""
        pumps = {asyncio.create_task(self._pump(*item)) for item in self._outputs.items()}
        try:
            await self._collect()
            self._exited.set()
            await self._drained(pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            self._close()
        self.end = _end(self._popen.returncode)
        return self.end

    def expire(self) -> None:
        """Kill the program because its time is over."""
        self.expired = True
        self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all that the program started; after SIGKILL nobody waits for output."""
        if self.end is None:
            signal_session(self.pid, number)
        if number == signal.SIGKILL:
            self._killed.set()

    async def kill(self) -> None:
        """Kill all that the program started, and wait until the program is gone.

        Not for ever: a program that is stuck in the kernel dies when the kernel lets go of it.
        """
        self.signal(signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KILL_S):
                await self._exited.wait()

    async def write(self, data: bytes) -> None:
        """Write all of `data` to the input, one writer at a time.

        Raises:
            CallError: failed_precondition when there is no input, or it was closed.
        """
        async with self._input_turn:
            rest = memoryview(data)
            while rest:
                fd = self._open_input()
                try:
                    rest = rest[os.write(fd, rest) :]
                except BlockingIOError:
                    await writable(fd)
                except OSError as failure:
                    raise self._no_input(os.strerror(failure.errno or 0).lower()) from None

    async def close_input(self) -> None:
        """Close the input after what was written before. Idempotent."""
        if self.has_terminal:
            raise CallError(
                "failed_precondition",
                "cannot close stdin of a process with a terminal: send Ctrl+D (0x04) instead",
            )
        async with self._input_turn:
            self._close_input()

    def _open_input(self) -> int:
        if self._input_fd is None:
            raise self._no_input("stdin not enabled or closed")
        return self._input_fd

    def _no_input(self, why: str) -> CallError:
        return CallError("failed_precondition", f"error writing to process {self.pid}: {why}")

    async def _collect(self) -> None:
        """Wait for the program's exit and take its status."""
        if self._popen.poll() is not None:  # the reaper of orphans can be quicker than we are
            return
        exit_fd = open_exit(self._popen)
        try:
            await readable(exit_fd)
        finally:
            os.close(exit_fd)
        self._popen.wait()  # does not wait: it has ended

    async def _pump(self, stream: str, fd: int) -> None:
        async for data in _chunks(fd):
            self.printed_bytes[stream] += len(data)
            await self.output.publish((stream, data))
            await asyncio.sleep(0 if self.output.heard else UNHEARD_PAUSE_S)

    async def _drained(self, pumps: "set[asyncio.Task[None]]") -> None:
        """Wait for the end of all output: it can outlast the program, but not a kill."""
        killed = asyncio.create_task(self._killed.wait())
        pending = set(pumps)
        while pending and not killed.done():
            await asyncio.wait({*pending, killed}, return_when=asyncio.FIRST_COMPLETED)
            pending = {pump for pump in pending if not pump.done()}
        killed.cancel()
        if pending:
            await asyncio.wait(pending, timeout=DRAIN_S)

    def _close(self) -> None:
        self._close_input()
        for fd in set(self._outputs.values()) - {self._terminal_fd}:
            os.close(fd)
        if self._terminal_fd is not None:
            os.close(self._terminal_fd)
            self._terminal_fd = None

    def _close_input(self) -> None:
        fd, self._input_fd = self._input_fd, None
        if fd is not None and fd != self._terminal_fd:
            with contextlib.suppress(BrokenPipeError):
                os.close(fd)


async def _chunks(fd: int) -> AsyncIterator[bytes]:
    while True:
        try:
            data = os.read(fd, CHUNK_BYTES_MAX)
        except BlockingIOError:
            await readable(fd)
            continue
        except OSError:  # EIO: the last program on this terminal has left it
            return
        if not data:
            return
        yield data


def _end(returncode: int) -> End:
    if returncode < 0:
        name = (signal.strsignal(-returncode) or f"signal {-returncode}").lower()
        return End(-1, exited=False, status=f"signal: {name}", error=f"signal: {name}")
    status = f"exit status {returncode}"
    return End(returncode, exited=True, status=status, error=status if returncode else None)
