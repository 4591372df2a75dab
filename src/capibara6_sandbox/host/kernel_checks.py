"""What came into a fork, before the fork is anybody's.

A kernel that was let into the fork's namespaces belongs to the user's code, which may be hostile:
the fork's group must hold nothing but kernels, inside, and without any capability.
"""

import asyncio
import os
import re
import socket
import struct
from pathlib import Path
from typing import Final

from capibara6_guest.readiness import readable
from capibara6_sandbox.errors import StartError
from capibara6_sandbox.host.machine import Machine
from capibara6_sandbox.zygote.nested import JOINED

_REPORT_TIMEOUT_S: Final = 10.0
_REPORT_BYTES_MAX: Final = 64 * 1024
_CHECKS_MAX: Final = 500
_CHECK_PAUSE_S: Final = 0.002
_CREDENTIALS: Final = struct.Struct("iII")


async def receive_report(report: socket.socket) -> tuple[int, bytes]:
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


async def check_arrival(fork: Machine, pid: int, sent: int) -> None:
    """Make sure that only processes without capabilities came in.

    First all of them are looked at, then counted: what has no capability gains none, and if there
    are no more than were looked at, nothing else is left that could start another.

    Args:
        fork: where it came.
        pid: the kernel.
        sent: the process that brought it, which has been killed: it can start nothing any more,
            and may take some milliseconds to be gone.

    Raises:
        StartError: something else came too.
    """
    assert fork.cgroup is not None
    if not _is_inside(fork, pid):
        raise StartError("The forked kernel did not go where it was told.")
    for _ in range(_CHECKS_MAX):
        pids = fork.cgroup.processes()
        kernels = [other for other in pids if other != sent]
        if pid not in kernels or len(kernels) > len(fork.kernels):
            break
        if any(not _is_harmless(other) for other in pids):
            break
        if len(kernels) == len(fork.kernels) and len(pids) == fork.cgroup.usage().processes:
            return
        await asyncio.sleep(_CHECK_PAUSE_S)  # the killed one is listed or counted, but not both
    raise StartError("The forked kernel did not do as it was told.")


def _is_inside(fork: Machine, pid: int) -> bool:
    """Whether a process is in all namespaces of a fork; it can leave none of them."""
    try:
        its = [os.stat(f"/proc/{pid}/ns/{name}").st_ino for name in JOINED]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return its == [os.fstat(namespace).st_ino for namespace in fork.namespaces]


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
