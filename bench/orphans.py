"""What killed platforms and their sandbox servers leave on the machine: nothing may.

A sandbox server outlives its platform by design, and serves the next one. So its processes, groups,
folders and mounts are counted once it has ended, by a signal or because another took its place.
"""

import contextlib
import os
import time
from pathlib import Path

from mortal import Remains
from processes import command_name, descendants, started

_ENDED_S_MAX = 60.0
_ServerKey = tuple[int, str]  # with the time of its start: ids come again


class Orphans:
    """What the processes of one data directory had, kill after kill.

    Args:
        home: the data directory.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._remains: dict[_ServerKey, Remains] = {}
        self._platforms: set[tuple[int, str]] = set()

    def look(self, platform: int) -> None:
        """Note what is there, before a kill."""
        served: set[int] = set()
        for pid in self.servers():
            served |= {pid, *descendants(pid)}
            with contextlib.suppress(OSError, StopIteration):  # it is not ready, or has ended
                self._remains[pid, started(pid)] = Remains.of(pid)
        own = {platform, *descendants(platform)} - served
        self._platforms |= {(pid, started(pid)) for pid in own}

    def servers(self) -> list[int]:
        """Return the sandbox servers of this data directory that run, found or not."""
        state = str(self._home / "sandbox-server.json")
        return [pid for pid in _all() if state in _arguments(pid)]

    def ended(self, pid: int) -> list[str]:
        """Return the processes that a server left which was killed."""
        return [
            left
            for (server, _), remains in self._remains.items()
            if server == pid
            for left in remains.processes_left()
        ]

    def left(self) -> list[str]:
        """Return what is left of all of it, some time after the last one was told to end."""
        until = time.monotonic() + _ENDED_S_MAX
        while (alive := self._alive()) and time.monotonic() < until:
            time.sleep(0.2)
        found = [f"process {pid} ({command_name(pid)})" for pid in sorted(alive)]
        for remains in self._remains.values():
            found += [*remains.processes_left(), *remains.places_left()]
        return found

    def _alive(self) -> set[int]:
        """Return the platforms' own processes, the servers, and what has their environment."""
        own = {pid for pid, begun in self._platforms if begun and started(pid) == begun}
        marked = {pid for pid in _all() if self._is_ours(pid)}
        return own | marked | set(self.servers())

    def _is_ours(self, pid: int) -> bool:
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False
        return f"CAPIBARA6_HOME={self._home}".encode() in environment


def _all() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and started(int(name))]


def _arguments(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    return []
