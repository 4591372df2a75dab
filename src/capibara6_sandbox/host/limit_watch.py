"""What a sandbox has met of its limits while something ran in it, in words for its user.

Linux tells a program little: a signal, or "resource temporarily unavailable". Here each limit that
was met is named, with its value and what to do.
"""

import contextlib
from typing import Final

from capibara6_sandbox.host.machine import Machine
from capibara6_sandbox.isolation.identity import OPEN_FILES_MAX, OPEN_FILES_SOFT
from capibara6_sandbox.isolation.limits import MIB, Refusals

SAID_CHARS_MAX: Final = 4096

# By what libraries and programs say of limits that no counter tells of.
_DISK: Final = ("no space left on device", "disk quota exceeded")
_OPEN_FILES: Final = ("too many open files",)
# And where there are no cgroups to count.
_MEMORY: Final = ("memoryerror", "cannot allocate memory", "out of memory")
_PROCESSES: Final = ("resource temporarily unavailable", "can't start new thread")
_FILE_SIZE: Final = ("file too large", "file size limit exceeded")
_SMALLER: Final = " Handle less data at a time, or take a template with more memory."


class LimitWatch:
    """Watches one machine, from now on."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._limits = machine.blueprint.template.limits
        self._before = self._counted()

    @property
    def out_of_memory(self) -> bool:
        """Whether Linux has ended a program because the sandbox's memory was full."""
        return self._refused().oom_kills > 0

    def memory_needed(self) -> str:
        """Return what to tell of a program that was ended for it."""
        limit = self._limits.memory_bytes // MIB
        return f"The program needed more memory than this sandbox's limit of {limit} MiB.{_SMALLER}"

    def met(self, said: str = "") -> list[str]:
        """Return a sentence for each limit that was met.

        Args:
            said: the last words of a program that failed; "" if nothing has failed.
        """
        counted, words = self._refused(), said[-SAID_CHARS_MAX:].lower()
        met = [self._memory()] if counted.oom_kills else []
        met += [self._processes()] if counted.processes else []
        met += [self._disk()] if _any(_DISK, words) else []
        met += [self._open_files()] if _any(_OPEN_FILES, words) else []
        return met if self._machine.cgroup else met + self._met_by_each(words)

    def _met_by_each(self, words: str) -> list[str]:
        met = [self._memory_of_each()] if _any(_MEMORY, words) else []
        met += [self._processes()] if _any(_PROCESSES, words) else []
        return met + ([self._file_size()] if _any(_FILE_SIZE, words) else [])

    def _refused(self) -> Refusals:
        now, before = self._counted(), self._before
        return Refusals(now.oom_kills - before.oom_kills, now.processes - before.processes)

    def _counted(self) -> Refusals:
        if self._machine.cgroup is not None:
            with contextlib.suppress(FileNotFoundError):  # it has ended meanwhile
                return self._machine.cgroup.refusals()
        return Refusals()

    def _memory(self) -> str:
        limit = self._limits.memory_bytes // MIB
        return (
            f"This sandbox has reached its limit of {limit} MiB of memory, in which its files count"
            f" too, and a program of it was ended.{_SMALLER}"
        )

    def _memory_of_each(self) -> str:
        limit = self._limits.memory_bytes // MIB
        return f"Each process of this sandbox may hold {limit} MiB of memory.{_SMALLER}"

    def _processes(self) -> str:
        return (
            f"This sandbox has reached its limit of {self._limits.processes} processes and threads"
            " at a time. End some, or start fewer."
        )

    def _disk(self) -> str:
        limits = self._limits
        room = (self._machine.blueprint.disk_bytes or limits.disk_bytes) // MIB
        used = self._machine.disk_used_bytes() // MIB
        return (
            f"What this sandbox writes is limited to {room} MiB ({used} MiB are used) and"
            f" {limits.inodes:,} files, and /dev/shm to {limits.shm_bytes // MIB} MiB. Remove"
            " files, or take a template with more disk."
        )

    def _open_files(self) -> str:
        return (
            f"A process of this sandbox may have {OPEN_FILES_SOFT:,} files and sockets open at a"
            f" time. Close some, or raise its limit, to {OPEN_FILES_MAX:,} at most (`ulimit -n`)."
        )

    def _file_size(self) -> str:
        limit = self._limits.memory_bytes // MIB
        return f"A file of this sandbox may have {limit} MiB. Write several smaller ones."


def _any(words: tuple[str, ...], said: str) -> bool:
    return any(word in said for word in words)
