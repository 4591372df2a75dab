"""Signals to everything that a program has started, not only to the program."""

import contextlib
import os
import signal
from collections.abc import Iterator

# A program that forks while it is being killed can escape one look at /proc; few need a third.
_PASSES_MAX = 5


def signal_session(leader_pid: int, number: signal.Signals) -> None:
    """Send a signal to every process of the session that `leader_pid` leads.

    SIGKILL is repeated until a look at the process table finds no more of them.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader_pid, number)
    sent = {leader_pid}
    for _ in range(_PASSES_MAX if number == signal.SIGKILL else 1):
        found = set(_outside_group(leader_pid)) - sent
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        sent |= found


def _outside_group(session: int) -> Iterator[int]:
    """Yield the session's processes that left the leader's process group (jobs of a shell)."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as status:
                # After "pid (any name)": state, parent, group, session.
                fields = status.read().rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == session and int(fields[2]) != session:
            yield int(name)
