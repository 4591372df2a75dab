"""What a sandbox may use."""

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


@dataclass(frozen=True, slots=True)
class CgroupUsage:
    """What a cgroup has used so far."""

    memory_bytes: int
    memory_peak_bytes: int
    cpu_s: float
    processes: int
    oom_kills: int
