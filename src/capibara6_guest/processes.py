"""Operations on programs: start, follow, list, feed, signal.

A program belongs to the sandbox, not to the call that started it: a caller who leaves does not
end it, and how it ended is kept for those who ask a little later.
"""

import asyncio
import base64
import binascii
import signal
from collections.abc import Coroutine
from typing import Any

from capibara6_guest import terminals
from capibara6_guest.agent import Call, Operation
from capibara6_guest.launching import launch
from capibara6_guest.notes import Notes
from capibara6_guest.output import Chunk, Listener, chunk_event
from capibara6_guest.process import Process
from capibara6_guest.wire import CallError

KEPT_S = 30.0
KEPT_MAX = 256
_SIGNALS = {"SIGNAL_SIGKILL": signal.SIGKILL, "SIGNAL_SIGTERM": signal.SIGTERM}


class ProcessTable:
    """All programs that callers started and that run, or ended a moment ago."""

    def __init__(self) -> None:
        self._running: dict[int, Process] = {}
        self._ended: dict[int, Process] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._notes = Notes()

    def operations(self) -> dict[str, Operation]:
        """Return what callers can do with the table."""
        return {
            "process.start": self.start,
            "process.connect": self.connect,
            "process.list": self.list,
            "process.input": self.input,
            "process.update": self.update,
            "process.close_stdin": self.close_stdin,
            "process.signal": self.signal,
            **self._notes.operations(),
        }

    async def start(self, call: Call) -> dict[str, Any]:
        """process.start {user, cmd, args, envs, env, cwd, tag, stdin, pty, timeout_s} -> events.

        `envs` are the call's own variables, `env` the sandbox's; `pty` {rows, cols} asks for a
        terminal. Events: first {"pid"}, then {"stdout" | "stderr" | "pty": base64}. The result says
        how it ended. Over its time, the program is killed and the call fails (deadline_exceeded).
        """
        process = launch(call)
        listener, _ = process.output.listen()
        limit_s = _seconds(call.arguments)
        self._notes.started(process, call.arguments.get("env") or {}, limit_s)
        self._register(process, limit_s)
        end = await _relay(call, process, listener, [])
        if process.expired:
            raise CallError("deadline_exceeded", f"process {process.pid} ran over its time")
        return end

    async def connect(self, call: Call) -> dict[str, Any]:
        """process.connect {pid | tag, timeout_s} -> events as of `start`, end.

        A running program: what nobody has heard yet, and what comes. An ended one: its last output.
        Here the time limits only the call.
        """
        process = self._find(call, ended=True)
        limit_s = _seconds(call.arguments)
        try:
            async with asyncio.timeout(limit_s):
                if process.end is not None:
                    return await _replay(call, process)
                listener, unheard = process.output.listen()
                return await _relay(call, process, listener, unheard)
        except TimeoutError:
            message = f"process {process.pid} still runs after {limit_s} s"
            raise CallError("deadline_exceeded", message) from None

    async def list(self, call: Call) -> dict[str, Any]:
        """process.list {} -> {"processes": [{pid, tag, cmd, args, envs, cwd}]}; running only."""
        del call
        return {
            "processes": [
                {
                    "pid": process.pid,
                    "tag": process.command.tag,
                    "cmd": process.command.cmd,
                    "args": process.command.args,
                    "envs": process.command.envs,
                    "cwd": process.command.cwd,
                }
                for process in self._running.values()
            ]
        }

    async def input(self, call: Call) -> dict[str, Any]:
        """process.input {pid | tag, stdin | pty: base64} -> {}; waits for room in the pipe."""
        process = self._find(call)
        for kind in ("stdin", "pty"):
            if kind in call.arguments:
                if (kind == "pty") != process.has_terminal:
                    raise _wrong_input(process)
                await _unless_left(call, process.write(_decoded(call.text(kind))))
        return {}

    async def update(self, call: Call) -> dict[str, Any]:
        """process.update {pid | tag, pty: {rows, cols}} -> {}; changes the terminal's size."""
        terminals.resize(self._find(call).terminal_fd, call.arguments.get("pty") or {})
        return {}

    async def close_stdin(self, call: Call) -> dict[str, Any]:
        """process.close_stdin {pid | tag} -> {}."""
        await _unless_left(call, self._find(call).close_input())
        return {}

    async def signal(self, call: Call) -> dict[str, Any]:
        """process.signal {pid | tag, signal} -> {}; reaches all that the program started."""
        name = call.text("signal")
        if name not in _SIGNALS:
            raise CallError("unimplemented", f"invalid signal: {name}")
        process = self._find(call)
        if name == "SIGNAL_SIGKILL":
            await process.kill()
        else:
            process.signal(_SIGNALS[name])
        return {}

    def _find(self, call: Call, *, ended: bool = False) -> Process:
        known = [self._running, self._ended] if ended else [self._running]
        pid, tag = call.arguments.get("pid"), call.arguments.get("tag")
        for processes in known:
            for process in processes.values():
                if process.pid == pid or (tag is not None and process.command.tag == tag):
                    return process
        wanted = f"tag {tag}" if pid is None else f"pid {pid}"
        raise CallError("not_found", f"process with {wanted} not found")

    def _register(self, process: Process, limit_s: float | None) -> None:
        self._forget(process)
        self._running[process.pid] = process
        task = asyncio.create_task(self._keep(process, limit_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _forget(self, successor: Process) -> None:
        """Drop ended programs for which a new one could be taken."""
        tag = successor.command.tag
        for pid, process in tuple(self._ended.items()):
            if pid == successor.pid or (tag is not None and process.command.tag == tag):
                del self._ended[pid]

    async def _keep(self, process: Process, limit_s: float | None) -> None:
        """Run a program to its end, and keep it for a while after that."""
        loop = asyncio.get_running_loop()
        deadline = None if limit_s is None else loop.call_later(limit_s, process.expire)
        try:
            await process.run()
        finally:
            if deadline is not None:
                deadline.cancel()
            del self._running[process.pid]
            self._notes.ended(process)
            self._ended[process.pid] = process
            loop.call_later(KEPT_S, self._drop, process)
            while len(self._ended) > KEPT_MAX:
                del self._ended[next(iter(self._ended))]
            await process.output.end()

    def _drop(self, process: Process) -> None:
        if self._ended.get(process.pid) is process:
            del self._ended[process.pid]


async def _relay(
    call: Call, process: Process, listener: Listener, unheard: list[Chunk]
) -> dict[str, Any]:
    """Send a program's output to a caller until its end, or until the caller leaves."""
    left = asyncio.create_task(call.disconnected())
    left.add_done_callback(lambda _: process.output.leave(listener))
    try:
        await call.send({"pid": process.pid})
        for chunk in unheard:
            await call.send(chunk_event(chunk))
        while (heard := await listener.next()) is not None:
            await call.send(chunk_event(heard))
    finally:
        process.output.leave(listener)
        left.cancel()
    return _ended(process)


async def _replay(call: Call, process: Process) -> dict[str, Any]:
    """Send the last output of an ended program, and how it ended."""
    await call.send({"pid": process.pid})
    for chunk in process.output.tail():
        await call.send(chunk_event(chunk))
    return _ended(process)


def _ended(process: Process) -> dict[str, Any]:
    if process.end is None:  # the caller has left (and gets no reply), or following it failed
        raise CallError("internal", f"process {process.pid} was followed, but not to its end")
    return process.end.as_dict()


async def _unless_left(call: Call, work: Coroutine[Any, Any, None]) -> None:
    """Await `work`, but cancel it when the caller leaves: a program may never take its input."""
    task = asyncio.create_task(work)
    left = asyncio.create_task(call.disconnected())
    try:
        await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ConnectionError("the caller left")
        task.result()
    finally:
        task.cancel()
        left.cancel()


def _seconds(arguments: dict[str, Any]) -> float | None:
    limit = arguments.get("timeout_s")
    if limit is None:
        return None
    if not isinstance(limit, int | float) or limit < 0:
        raise CallError("invalid_argument", f"timeout_s must be a positive number, not {limit!r}")
    return float(limit)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise CallError("invalid_argument", "input is not base64") from None


def _wrong_input(process: Process) -> CallError:
    if process.has_terminal:
        why = "it has a terminal: input should be written to the pty, not to stdin"
    else:
        why = "it has no terminal: input should be written to stdin, not to the pty"
    return CallError("failed_precondition", f"error writing to process {process.pid}: {why}")
