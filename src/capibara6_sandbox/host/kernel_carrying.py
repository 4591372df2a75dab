"""What a fork gets of its source's kernels: copies of the Python kernels, with their variables.

A kernel that was let into the fork's namespaces belongs to the user's code, which may be hostile.
Before the fork is anybody's, its group must hold nothing but processes without any capability.
"""

import asyncio
import contextlib
import json
import os
import re
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from capibara6_guest.python_carry import FDS
from capibara6_guest.readiness import readable
from capibara6_sandbox.errors import StartError
from capibara6_sandbox.host.hosted_kernel import HostedKernel
from capibara6_sandbox.host.kernel_gate import ForkOrder
from capibara6_sandbox.host.machine import Machine
from capibara6_sandbox.host.sandbox import Sandbox

_REPORT_TIMEOUT_S: Final = 10.0
_CHECKS_MAX: Final = 500
_CHECK_PAUSE_S: Final = 0.002
_REPORT_BYTES_MAX: Final = 64 * 1024
_NAMES_MAX: Final = 10
_CREDENTIALS: Final = struct.Struct("iII")
_NOT_CARRIED: Final = "This sandbox is a live fork. Not carried over from its origin: {}.\n"
_FRESH: Final = "This sandbox is a fork with fresh kernels: variables were not carried ({}).\n"

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


async def carry_kernels(
    source: Sandbox, fork: Sandbox, earlier: Mapping[str, list[str]] | None = None
) -> Notes:
    """Fork every Python kernel of the source into the fork; return what could not be carried.

    Args:
        source: the sandbox whose kernels they are.
        fork: the new one, of which nobody knows yet.
        earlier: what was lost before, on the way into the source, and shall be told too.

    Raises:
        StartError: a kernel was busy, has ended, or did not do as it was told.
        CallError, GuestLostError: a sandbox ended meanwhile.
    """
    notes = {context_id: list(lost) for context_id, lost in (earlier or {}).items()}
    fork.add_javascript()
    async with source.machine.carrying:
        if source.machine.still:
            raise StartError("The sandbox is paused.")
        others = _other_programs(source.machine)
        for context_id, kernel in list(source.machine.kernels.items()):
            lost = notes.setdefault(context_id, [])
            lost += others
            async with kernel.gate.turn:
                await _carry(source.machine, fork.machine, context_id, kernel, lost)
    for language, context_id in source.default_context_ids.items():
        if language == "python":
            fork.default_context_ids[language] = context_id
    return notes


async def _carry(
    source: Machine, fork: Machine, context_id: str, kernel: HostedKernel, lost: list[str]
) -> None:
    """Fork one kernel; what it has to say of it is added to `lost`."""
    with contextlib.ExitStack() as stack:
        ours, theirs = (stack.enter_context(end) for end in socket.socketpair())
        report, reporter = (
            stack.enter_context(end)
            for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        )
        report.setblocking(False)
        report.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        outputs = [os.pipe2(os.O_CLOEXEC) for _ in range(2)]
        for fd in (*outputs[0], *outputs[1]):
            stack.callback(os.close, fd)
        writing = [theirs.fileno(), outputs[0][1], outputs[1][1], reporter.fileno()]
        fds = [*fork.namespaces, *writing]
        if len(fds) != FDS or fork.cgroup is None:
            raise StartError("The fork's namespaces are not there.")
        kernel.gate.order = ForkOrder(kernel.pid, fork.cgroup.move)
        try:
            await source.control.fork_kernel(context_id, fds)
        finally:
            kernel.gate.order = None
        reporter.close()
        pid, said = await _receive(report)
        pidfd = os.pidfd_open(pid)
        fork.hold_kernel(context_id, HostedKernel(pidfd, kernel.gate, kernel.cwd))
        await _check(fork, pid)
        report.send(b"1")
        lost += _said(said)
        reading = [ours.fileno(), outputs[0][0], outputs[1][0]]
        notice = _NOT_CARRIED.format("; ".join(lost)) if lost else ""
        await fork.control.adopt(context_id, kernel.cwd, reading, notice)


def _other_programs(source: Machine) -> list[str]:
    """Name the programs of a sandbox that are no Python kernels; their names are data."""
    assert source.cgroup is not None
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
        return [str(note) for note in notes]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise StartError("The forked kernel broke its protocol.") from None


async def _receive(report: socket.socket) -> tuple[int, bytes]:
    """Return who reports, as the kernel of Linux knows it, and what."""
    try:
        async with asyncio.timeout(_REPORT_TIMEOUT_S):
            await readable(report.fileno())
    except TimeoutError:
        raise StartError("The forked kernel does not answer.") from None
    packet, ancillary, _, _ = report.recvmsg(
        _REPORT_BYTES_MAX, socket.CMSG_SPACE(_CREDENTIALS.size)
    )
    for level, kind, data in ancillary:
        if packet and (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            pid: int = _CREDENTIALS.unpack(data)[0]
            if pid > 0:
                return pid, packet
    raise StartError("The forked kernel ended before it could run.")


async def _check(fork: Machine, pid: int) -> None:
    """Make sure that only processes without capabilities came in.

    First all of them are looked at, then counted: what has no capability gains none, and if there
    are no more than were looked at, nothing else is left that could start another.

    Raises:
        StartError: something else came too.
    """
    assert fork.cgroup is not None
    for _ in range(_CHECKS_MAX):
        pids = fork.cgroup.processes()
        if pid not in pids or len(pids) > len(fork.kernels) + 1:
            break
        if any(not _is_harmless(other) for other in pids):
            break
        if len(pids) == len(fork.kernels) == fork.cgroup.usage().processes:
            return
        await asyncio.sleep(_CHECK_PAUSE_S)  # the process between has not quite ended
    raise StartError("The forked kernel did not do as it was told.")


def _is_harmless(pid: int) -> bool:
    """Whether a process has one thread, the seccomp filter, and no capability; or has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    fields = dict(re.findall(r"^(\w+):\s+(\S+)", status, re.MULTILINE))
    held = (int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
    wanted = {"Threads": "1", "Seccomp": "2", "NoNewPrivs": "1"}
    return not any(held) and all(fields.get(name) == value for name, value in wanted.items())
