"""Cgroups of sandboxes: what both versions have in common.

A server owns one group per hierarchy, and in it one group per sandbox, which the user's processes
join; the agent stays outside, so that no hog can freeze the control channel. The versions are in
`cgroups_v1` and `cgroups_v2`; `cgroup_hierarchies` finds what this machine has.
"""

import contextlib
import os
import re
import signal
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Final

from capibara6_sandbox.isolation.limits import CgroupUsage, Limits, Refusals

CPU_PERIOD_US: Final = 50_000
NEEDED: Final = ("memory", "pids", "cpu")
_REMOVE_TRIES: Final = 100
_REMOVE_PAUSE_S: Final = 0.005


class Cgroup(ABC):
    """One sandbox's group."""

    _join_file = "cgroup.procs"

    @property
    @abstractmethod
    def folders(self) -> list[Path]:
        """Its directories, one a hierarchy."""

    @abstractmethod
    def set_limits(self, limits: Limits) -> None:
        """Apply limits; they may be changed while it runs."""

    def make(self, limits: Limits) -> None:
        """Make its directories and set its limits; all of it or nothing.

        Raises:
            OSError: it is there already, or the kernel refused a limit.
        """
        made = []
        try:
            for folder in self.folders:
                folder.mkdir()
                made.append(folder)
            self.set_limits(limits)
        except OSError:
            for folder in made:
                remove_group(folder)
            raise

    @abstractmethod
    def usage(self) -> CgroupUsage:
        """Read what it has used."""

    @abstractmethod
    def refusals(self) -> Refusals:
        """Read how often its limits were met; a tenth of the cost of `usage`."""

    def open_procs(self) -> list[int]:
        """Open the files through which a process joins; the caller closes them.

        A process joins by writing 0, while it has a single thread.
        """
        return [os.open(f / self._join_file, os.O_WRONLY | os.O_CLOEXEC) for f in self.folders]

    @property
    @abstractmethod
    def can_freeze(self) -> bool:
        """Whether this machine can stop all of its processes at once."""

    @abstractmethod
    def freeze(self) -> None:
        """Begin to stop its processes; `frozen` says when all have stopped."""

    @abstractmethod
    def thaw(self) -> None:
        """Let its processes run again. Idempotent."""

    @property
    @abstractmethod
    def frozen(self) -> bool:
        """Whether every process in it has stopped."""

    def processes(self) -> list[int]:
        """Return the ids of its processes."""
        folder = self.folders[0]
        with contextlib.suppress(FileNotFoundError):
            return [int(pid) for pid in (folder / "cgroup.procs").read_text().split()]
        return []

    def move(self, pid: int) -> None:
        """Take a process of one thread in."""
        for folder in self.folders:
            write_value(folder, self._join_file, pid)

    def end_processes(self) -> None:
        """Kill all that is in it, and let nothing more begin in it.

        Raises:
            OSError: something is still in it after half a second.
        """
        for folder in self.folders:
            if (folder / "pids.max").exists():
                write_value(folder, "pids.max", 0)
        for _ in range(_REMOVE_TRIES):
            pids = self.processes()
            if not pids:
                return
            self._kill(pids)
            time.sleep(_REMOVE_PAUSE_S)
        raise OSError(f"{len(self.processes())} processes do not end")

    def _kill(self, pids: list[int]) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def remove(self) -> None:
        """Remove it; its processes must be dead or dying. Idempotent.

        Raises:
            OSError: it is still in use after half a second.
        """
        for folder in self.folders:
            remove_group(folder)


class Cgroups(ABC):
    """A server's part of the hierarchies."""

    version: int

    @abstractmethod
    def create(self, name: str, limits: Limits) -> Cgroup:
        """Make the group of one sandbox."""

    @property
    @abstractmethod
    def roots(self) -> list[Path]:
        """The server's own directories."""

    def close(self) -> None:
        """Remove the server's own groups, which must hold no sandbox any more."""
        for root in self.roots:
            remove_group(root)


def remove_group(folder: Path) -> None:
    """Remove a group and those below it, waiting for dying processes.

    Raises:
        OSError: it is still in use after half a second.
    """
    for _ in range(_REMOVE_TRIES):
        try:
            _remove_tree(folder)
        except OSError:
            time.sleep(_REMOVE_PAUSE_S)
        else:
            return
    _remove_tree(folder)


def _remove_tree(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        for child in folder.iterdir():
            if child.is_dir():
                _remove_tree(child)
        folder.rmdir()


def write_value(folder: Path, name: str, value: object) -> None:
    """Write one of a group's files."""
    (folder / name).write_text(str(value))


def read_number(path: Path) -> int:
    """Read a file of one number; 0 if it is missing, or holds a word such as "max"."""
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return 0


def read_field(path: Path, field: str) -> int:
    """Read one number of a file with a name and a number a line; 0 if it has no such line."""
    found = re.search(rf"^{field} (\d+)$", path.read_text(), re.MULTILINE)
    return int(found[1]) if found else 0
