"""Ending a process together with all that it started."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Final, NamedTuple

_ROUNDS_MAX: Final = 200
_ROUND_S: Final = 0.01


class _Process(NamedTuple):
    pid: int
    state: str
    parent: int
    session: int


async def end_session(leader: int, *, exited: bool) -> None:
    """Kill `leader`, the processes of its session, and their descendants, until none is left.

    A descendant escapes only if it has left the session and its parent has ended.

    Args:
        leader: the session's first process, whose id is the session's too.
        exited: the leader has been reaped, so that a process of its id is another one.
    """
    for _ in range(_ROUNDS_MAX):
        victims = _members(leader, exited=exited)
        if not victims:
            return
        for pid in victims:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(_ROUND_S)


def _members(leader: int, *, exited: bool) -> list[int]:
    """Return the live processes to be killed, found by session and by parent."""
    processes = {process.pid: process for process in _processes()}
    if exited and leader in processes:
        # The id is in use again, which the kernel allows only when the session is empty.
        return []
    members = {pid for pid, process in processes.items() if leader in (pid, process.session)}
    grown = True
    while grown:
        found = {pid for pid, process in processes.items() if process.parent in members} - members
        members |= found
        grown = bool(found)
    return [pid for pid in members if processes[pid].state not in "ZX"]


def _processes() -> list[_Process]:
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                found.append(_parse(Path("/proc", entry, "stat").read_text(errors="replace")))
    return found


def _parse(stat: str) -> _Process:
    # The name, in parentheses, may itself hold spaces and parentheses.
    pid, _, rest = stat.partition(" (")
    fields = rest.rpartition(") ")[2].split()
    return _Process(int(pid), fields[0], int(fields[1]), int(fields[3]))
