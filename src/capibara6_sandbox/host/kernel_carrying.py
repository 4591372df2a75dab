"""What a fork gets of its source's kernels: copies of the Python kernels, with their variables.

A kernel forks first, and its copy waits at a door until the sandbox that it goes to is made; then
it enters, and what came in is checked (`kernel_checks`).
"""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import structlog

from capibara6_guest.python_carry import FDS, NAMESPACES
from capibara6_sandbox.errors import StartError
from capibara6_sandbox.host.hosted_kernel import HostedKernel
from capibara6_sandbox.host.kernel_checks import check_arrival, receive_report
from capibara6_sandbox.host.kernel_gate import ForkOrder
from capibara6_sandbox.host.kernel_holdings import check_holdings, identity
from capibara6_sandbox.host.machine import Machine
from capibara6_sandbox.host.sandbox import Sandbox

_NAMES_MAX: Final = 10
_NOTES_MAX: Final = 20  # of one kernel
_NOTE_CHARS_MAX: Final = 300
_NOT_CARRIED: Final = "This sandbox is a live fork. Not carried over from its origin: {}.\n"
_FRESH: Final = "This sandbox is a fork with fresh kernels: variables were not carried ({}).\n"

_log = structlog.get_logger()

Notes = dict[str, list[str]]  # what could not be carried, by context


def obstacle(source: Sandbox) -> str:
    """Return why the variables of a sandbox cannot be carried; "" if they can."""
    if source.machine.cgroup is None:
        return "this machine has no cgroups, with which forked kernels are checked"
    if not source.machine.kernels:
        return "it has no Python kernel"
    return ""


async def start_fresh(fork: Sandbox, reason: str) -> None:
    """Give a fork fresh kernels, and let them say why, if there is a reason to say.

    Raises:
        StartError, CallError, GuestLostError: a kernel could not start.
    """
    await fork.start_default_contexts(_FRESH.format(reason) if reason else "")


async def depart(
    stack: AsyncExitStack, source: Sandbox, earlier: Mapping[str, list[str]] | None = None
) -> "Departure":
    """Let the Python kernels of a sandbox fork; the copies wait for the sandbox they go to.

    Args:
        stack: holds what that takes until they have arrived; closed then, or by the caller.
        source: the sandbox whose kernels they are.
        earlier: what was lost before, on the way into the source, and shall be told too.

    Raises:
        StartError: the source is paused.
        GuestLostError: it has ended.
    """
    machine = source.machine
    await stack.enter_async_context(machine.carrying)
    if machine.still:
        raise StartError("The sandbox is paused.")
    notes = {context_id: list(lost) for context_id, lost in (earlier or {}).items()}
    departure = Departure(stack, source, notes)
    await departure.begin()
    return departure


class Departure:
    """Copies of a sandbox's kernels on their way; `notes` say what could not be carried."""

    def __init__(self, stack: AsyncExitStack, source: Sandbox, notes: Notes) -> None:
        self._stack = stack
        self._source = source
        self._kernels = list(source.machine.kernels.items())
        self._others = _other_programs(source.machine)
        self._first: _Traveller | None = None
        self.notes = notes

    async def begin(self) -> None:
        """Let the first kernel fork; it does so while its sandbox is being made."""
        for context_id, kernel in self._kernels[:1]:
            leaving = _leave(self._source.machine, context_id, kernel)
            self._first = await self._stack.enter_async_context(leaving)

    async def arrive(self, fork: Sandbox) -> None:
        """Let all of them into a new sandbox, of which nobody knows yet.

        Raises:
            StartError: a kernel was busy, has ended, or did not do as it was told.
            CallError, GuestLostError: a sandbox ended meanwhile.
        """
        fork.add_javascript()
        for context_id, kernel in self._kernels:
            lost = self.notes.setdefault(context_id, [])
            lost += self._others
            if self._first is not None:
                traveller, self._first = self._first, None
                await traveller.enter(fork.machine, lost)
                continue
            async with _leave(self._source.machine, context_id, kernel) as traveller:
                await traveller.enter(fork.machine, lost)
        for language, context_id in self._source.default_context_ids.items():
            if language == "python":
                fork.default_context_ids[language] = context_id
        self._source.machine.finish(_close(self._stack.pop_all()))


async def _close(stack: AsyncExitStack) -> None:
    """Give back what a departure took, after it has arrived."""
    try:
        await stack.aclose()
    except StartError as cause:  # a stem's programs run on; the next fork tries to stop them again
        _log.warning("departure_not_closed", cause=str(cause))


@asynccontextmanager
async def _leave(
    source: Machine, context_id: str, kernel: HostedKernel
) -> AsyncIterator["_Traveller"]:
    """Let one kernel fork itself."""
    async with kernel.gate.turn:
        hastening = asyncio.create_task(_hasten_moves(source, kernel))
        under_way: set[asyncio.Task[Any]] = {hastening}
        try:
            with ExitStack() as stack:
                traveller = _Traveller(stack, context_id, kernel)
                under_way.add(traveller.order(source))
                yield traveller
        finally:
            kernel.gate.order = None
            await asyncio.wait(under_way)  # the agent bounds them


async def _hasten_moves(source: Machine, kernel: HostedKernel) -> None:
    """Move the kernel to the group where it is.

    The first move of a process into a group waits for some 10 ms until all processors have heard
    of it, those that follow at once do not: so that wait passes while the kernel forks.
    """
    cgroup, pid = source.cgroup, kernel.pid
    if cgroup is not None and pid > 0:  # 0 would be this server
        with contextlib.suppress(OSError):  # it has ended
            await asyncio.to_thread(cgroup.move, pid)


class _Traveller:
    """One kernel's copy between its order and its adoption.

    Args:
        stack: closes what it holds, which also ends a copy that was not let in.
        context_id: of its context, here and there.
        kernel: that it is a copy of.
    """

    def __init__(self, stack: ExitStack, context_id: str, kernel: HostedKernel) -> None:
        self._context_id = context_id
        self._kernel = kernel
        self._door, self._outside = _pair(stack, socket.SOCK_SEQPACKET)
        self._channel, self._theirs = _pair(stack, socket.SOCK_STREAM)
        self._report, self._reporter = _pair(stack, socket.SOCK_SEQPACKET)
        self._report.setblocking(False)
        self._report.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._outputs = [os.pipe2(os.O_CLOEXEC) for _ in range(2)]
        for fd in (*self._outputs[0], *self._outputs[1]):
            stack.callback(os.close, fd)
        # What stands in for descriptors that cannot be taken along: a socket whose end is closed.
        closed, self._stand_in = _pair(stack, socket.SOCK_STREAM)
        closed.close()
        ours = (self._theirs, self._reporter, self._stand_in)
        fds = [*(end.fileno() for end in ours), self._outputs[0][1], self._outputs[1][1]]
        self._made = frozenset(identity(fd) for fd in fds)
        self._ordered: asyncio.Task[str] | None = None

    def order(self, source: Machine) -> "asyncio.Task[str]":
        """Tell the kernel to fork."""
        sockets = (self._outside, self._theirs, self._reporter)
        door, kernel, report = (end.fileno() for end in sockets)
        fds = [door, kernel, self._outputs[0][1], self._outputs[1][1], report]
        assert len(fds) == FDS
        self._ordered = asyncio.create_task(self._order(source, fds))
        return self._ordered

    async def _order(self, source: Machine, fds: list[int]) -> str:
        """Return why the kernel did not fork; "" if it did."""
        try:
            await source.control.fork_kernel(self._context_id, fds)
        except (StartError, TimeoutError) as failure:
            return str(failure) or "it did not answer"
        finally:
            self._outside.close()
            self._reporter.close()
        return ""

    async def enter(self, fork: Machine, lost: list[str]) -> None:
        """Let the copy into a machine; what it has to say of the way is added to `lost`."""
        assert self._ordered is not None
        kernel = self._kernel
        if fork.cgroup is None or len(fork.namespaces) != NAMESPACES:
            raise StartError("The fork's namespaces are not there.")
        kernel.gate.order = order = ForkOrder(kernel.pid, fork.cgroup.move)
        try:
            socket.send_fds(self._door, [b"1"], [*fork.namespaces, self._stand_in.fileno()])
            pid, said = await self._reported()
        finally:
            kernel.gate.order = None
            order.end()  # it takes as long to end as it took to start: nobody waits for that
        fork.hold_kernel(
            self._context_id, HostedKernel(os.pidfd_open(pid), kernel.gate, kernel.cwd)
        )
        await check_arrival(fork, pid, order.sent)
        check_holdings(pid, self._made)
        self._report.send(b"1")
        lost += _said(said)
        reading = [self._channel.fileno(), self._outputs[0][0], self._outputs[1][0]]
        notice = _NOT_CARRIED.format("; ".join(lost)) if lost else ""
        await fork.control.adopt(self._context_id, kernel.cwd, reading, notice)

    async def _reported(self) -> tuple[int, bytes]:
        """Return who came in, and what it says; the kernel that sent it may still be at it."""
        assert self._ordered is not None
        report = asyncio.create_task(receive_report(self._report))
        try:
            await asyncio.wait({report, self._ordered}, return_when=asyncio.FIRST_COMPLETED)
            if not report.done() and (reason := await self._ordered):
                raise StartError(reason)
            return await report
        finally:
            report.cancel()


def _pair(stack: ExitStack, kind: socket.SocketKind) -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    return stack.enter_context(ours), stack.enter_context(theirs)


def _other_programs(source: Machine) -> list[str]:
    """Name the programs of a sandbox that are no Python kernels; their names are data."""
    if source.cgroup is None:
        raise StartError("The sandbox has ended.")
    kernels = {kernel.pid for kernel in source.kernels.values()}
    names = {_name(pid) for pid in source.cgroup.processes() if pid not in kernels}
    named = ", ".join(sorted(names)[:_NAMES_MAX])
    return [f"other processes: {named}"] if named else []


def _name(pid: int) -> str:
    try:
        return ascii(Path(f"/proc/{pid}/comm").read_text().strip())[1:-1]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _said(packet: bytes) -> list[str]:
    """Return what the kernel said of itself; it is data."""
    try:
        notes: Any = json.loads(packet)["notes"]
        return [ascii(str(note))[1:-1][:_NOTE_CHARS_MAX] for note in notes[:_NOTES_MAX]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise StartError("The forked kernel broke its protocol.") from None
