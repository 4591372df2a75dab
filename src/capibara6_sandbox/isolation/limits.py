"""What a sandbox may use."""

import resource
from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings of one sandbox; what they are enforced with is told by `doctor`."""

    memory_bytes: int = 512 * MIB
    cpus: float = 0.5  # of one processor's time
    processes: int = 256  # processes and threads together
    disk_bytes: int = 256 * MIB  # of the writable layer, which lies in memory and counts there too
    inodes: int = 65_536

    @property
    def shm_bytes(self) -> int:
        """The size of /dev/shm."""
        return min(64 * MIB, self.memory_bytes // 4)

    @property
    def rlimits(self) -> list[tuple[int, int]]:
        """What stands in for cgroups: rlimits, which hold for each process, by resource.

        Processes are counted by user and user namespace (since Linux 5.14), that is, by sandbox.
        RLIMIT_DATA, not RLIMIT_AS: interpreters reserve far more addresses than they ever use. The
        size of a file also bounds files in memory (memfd), which RLIMIT_DATA does not count.
        """
        return [
            (resource.RLIMIT_NPROC, self.processes),
            (resource.RLIMIT_DATA, self.memory_bytes),
            (resource.RLIMIT_FSIZE, self.memory_bytes),
        ]


@dataclass(frozen=True, slots=True)
class Refusals:
    """How often a cgroup's limits were met so far."""

    oom_kills: int = 0
    processes: int = 0  # forks and threads that were refused


@dataclass(frozen=True, slots=True)
class CgroupUsage:
    """What a cgroup has used so far."""

    memory_bytes: int
    memory_peak_bytes: int
    cpu_s: float
    processes: int
    oom_kills: int
    cache_bytes: int = 0  # of the memory: files, in the writable layer too
