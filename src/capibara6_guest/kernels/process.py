"""What the kernels that are a process of their own have in common."""

import asyncio
import contextlib
import errno
import os
import shutil
import signal
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from subprocess import Popen
from typing import Any, Final

from capibara6_guest.kernels import Kernel
from capibara6_guest.kernels.session import end_session
from capibara6_guest.kernels.streams import KernelStreams, MessageError
from capibara6_guest.spawn import open_exit
from capibara6_guest.users import User

_REPEAT_S: Final = 0.5
_EXIT_S: Final = 5.0
_EXIT_ROUND_S: Final = 0.01


@dataclass
class _Execution:
    """What the process works on, whether its caller still listens or not."""

    number: int
    started: bool = False
    interrupted: bool = False

    def ended_by(self, message: dict[str, Any]) -> bool:
        if message.get("type") == "started":
            self.started = True
        return message.get("type") == "done" and message.get("id") == self.number


class ProcessKernel(Kernel):
    """A kernel whose process starts with its first execution.

    The process reads requests from one pipe and writes messages to another, one JSON object a line:
    {"type": "started"} when it has read the request, then events in E2B's form, last
    {"type": "done", "id": the execution's number}. Messages of other executions are ignored.

    Args:
        user: runs the process.
        cwd: where it starts.
        env: exactly its environment.
        memory_bytes: what the sandbox may use; 0 if unknown.
    """

    language: str

    def __init__(self, user: User, cwd: str, env: Mapping[str, str], memory_bytes: int = 0) -> None:
        self._user, self._cwd, self._env = user, cwd, dict(env)
        self._memory_bytes = memory_bytes
        self._process: Popen[bytes] | None = None
        self._streams: KernelStreams | None = None
        self._requests_fd = -1
        self._number = 0
        self._current: _Execution | None = None
        self._caller: object = None
        self._dead = False

    @abstractmethod
    def _spawn(self, requests: int, messages: int, out: int, err: int) -> "Popen[bytes]":
        """Start the program on its ends of the four pipes."""

    @abstractmethod
    def _request(self, number: int, code: str, env: Mapping[str, str], dialect: str) -> bytes:
        """Encode one execution.

        Raises:
            ValueError: the code or the environment cannot be given to this language.
        """

    def _require(self, program: str) -> None:
        """Say, as the system does but before anything is started, that a program is missing.

        Raises:
            FileNotFoundError: it is not in the environment's PATH.
        """
        if shutil.which(program, path=self._env.get("PATH", os.defpath)) is None:
            raise FileNotFoundError(errno.ENOENT, "not found", program)

    def _let_reopen(self, *fds: int) -> None:
        """Give pipes to the user: some programs use a descriptor only by opening it again."""
        if os.getuid() == 0:
            for fd in fds:
                os.fchown(fd, self._user.uid, self._user.gid)

    def _signal_programs(self, leader: int) -> None:
        """Send SIGINT to the process and to what it has started in its group."""
        os.killpg(leader, signal.SIGINT)

    def _after_signal(self, number: int) -> bytes:
        """Return what to send after each interrupt; may raise OSError."""
        del number
        return b""

    def _outcome(self, done: dict[str, Any], *, interrupted: bool) -> dict[str, Any] | None:
        """Return the event, if any, that the last message stands for."""
        del done, interrupted
        return None

    @property
    def alive(self) -> bool:
        """Whether the kernel can execute; a process not yet started counts."""
        return not self._dead

    async def execute(
        self, code: str, env: Mapping[str, str], dialect: str = ""
    ) -> AsyncIterator[dict[str, Any]]:
        """Run `code`; see `Kernel`."""
        if self._dead:
            yield error_event("KernelDied", f"the {self.language} kernel has ended")
            return
        try:
            streams = self._streams or self._start()
            request = self._request(self._number + 1, code, env, dialect)
        except OSError as cause:
            self._dead = True
            yield error_event("KernelNotStarted", self._why_not_started(cause))
            return
        except ValueError as cause:
            yield error_event("ValueError", str(cause))
            return
        # An abandoned generator may be closed only after the next one has begun.
        caller = self._caller = object()
        try:
            async for event in self._converse(streams, request):
                yield event
        except (EOFError, MessageError, BrokenPipeError) as cause:
            for event in await self._last_events(streams, cause):
                yield event
        finally:
            if self._caller is caller and not self._dead:
                streams.start_idling()

    async def interrupt(self) -> None:
        """Interrupt the current execution, once it has begun, again and again until it ends."""
        if self._current is not None and not self._current.interrupted:
            self._current.interrupted = True
            self._signal(self._current)

    async def stop(self) -> None:
        """End the process and all that it started. Idempotent."""
        self._dead, self._current = True, None
        await self._end_processes()
        self._close()

    async def _end_processes(self) -> None:
        if self._process is not None:
            exited = self._process.poll() is not None
            await end_session(self._process.pid, exited=exited)
            await self._exit_status()

    def _start(self) -> KernelStreams:
        pipes: list[int] = []
        try:
            for _ in range(4):
                pipes += os.pipe()
            self._process = self._spawn(pipes[0], *pipes[3::2])
        except OSError:
            for fd in pipes:
                os.close(fd)
            raise
        for fd in (pipes[0], *pipes[3::2]):
            os.close(fd)
        self._requests_fd = pipes[1]
        os.set_blocking(self._requests_fd, False)
        self._streams = KernelStreams(pipes[2], pipes[4], pipes[6], open_exit(self._process))
        return self._streams

    def _why_not_started(self, cause: OSError) -> str:
        if cause.filename == self._cwd:
            return f"the working directory {self._cwd!r} cannot be used: {cause.strerror}"
        return f"the {self.language} kernel does not start: {cause}"

    async def _converse(
        self, streams: KernelStreams, request: bytes
    ) -> AsyncIterator[dict[str, Any]]:
        await self._finish_abandoned(streams)
        self._number += 1
        execution = self._current = _Execution(self._number)
        await self._send(request)
        while not execution.ended_by(message := await streams.read()):
            event = self._event(execution, message)
            if event is not None:
                yield event
        self._current = None
        outcome = self._outcome(message, interrupted=execution.interrupted)
        if outcome is not None:
            yield outcome

    async def _finish_abandoned(self, streams: KernelStreams) -> None:
        """Wait for the end of an execution that its caller has left, if there is one."""
        streams.stop_idling(keep=self._current is None)
        while self._current is not None:
            message = await streams.read()
            if self._current.ended_by(message):
                self._current = None
            elif message.get("type") == "started" and self._current.interrupted:
                self._signal(self._current)

    def _event(self, execution: _Execution, message: dict[str, Any]) -> dict[str, Any] | None:
        kind = message.get("type")
        if kind != "started":
            return None if kind == "done" else message
        if execution.interrupted:
            self._signal(execution)
        return {"type": "number_of_executions", "execution_count": execution.number}

    async def _send(self, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        view = memoryview(request)
        while view:
            try:
                view = view[os.write(self._requests_fd, view) :]
            except BlockingIOError:
                writable = loop.create_future()
                loop.add_writer(self._requests_fd, _resolve, writable)
                try:
                    await writable
                except asyncio.CancelledError:
                    # Half a request cannot be taken back.
                    self._kill()
                    raise
                finally:
                    loop.remove_writer(self._requests_fd)

    def _kill(self) -> None:
        self._dead, self._current = True, None
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _signal(self, execution: _Execution) -> None:
        """Signal now and, while this execution goes on, again: a program may miss the first."""
        if self._current is not execution or not execution.started or self._process is None:
            return
        with contextlib.suppress(OSError):  # it has just ended, or its pipe is full
            self._signal_programs(self._process.pid)
            os.write(self._requests_fd, self._after_signal(execution.number))
        asyncio.get_running_loop().call_later(_REPEAT_S, self._signal, execution)

    async def _last_events(self, streams: KernelStreams, cause: Exception) -> list[dict[str, Any]]:
        """Collect what a dying kernel still printed, and say how it ended."""
        self._dead, self._current = True, None
        events = []
        with contextlib.suppress(EOFError, MessageError):
            while isinstance(cause, BrokenPipeError):
                events.append(await streams.read())
        if isinstance(cause, MessageError):
            reason = f"broke its protocol ({cause})"
        else:
            reason = _reason(await self._exit_status())
        await self._end_processes()
        events += streams.rest()
        self._close()
        value = f"the {self.language} kernel {reason}; its state is lost"
        return [*events, error_event("KernelDied", value)]

    async def _exit_status(self) -> int | None:
        """Wait, for a bounded time, for the process's status (negative: the signal)."""
        if self._process is None:
            return None
        for _ in range(int(_EXIT_S / _EXIT_ROUND_S)):
            # In a sandbox, the agent's reaper may set the code; both ways end here.
            if self._process.poll() is not None:
                return self._process.returncode
            await asyncio.sleep(_EXIT_ROUND_S)
        return None

    def _close(self) -> None:
        if self._streams is not None:
            self._streams.close()
        if self._requests_fd >= 0:
            os.close(self._requests_fd)
            self._requests_fd = -1


def error_event(name: str, value: str, traceback: str = "") -> dict[str, Any]:
    """Build an error event."""
    return {"type": "error", "name": name, "value": value, "traceback": traceback}


def _reason(status: int | None) -> str:
    if status is None:
        return "closed its channel"
    if status >= 0:
        return f"exited with status {status}"
    name = signal.Signals(-status).name
    return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


def _resolve(writable: "asyncio.Future[None]") -> None:
    if not writable.done():
        writable.set_result(None)
