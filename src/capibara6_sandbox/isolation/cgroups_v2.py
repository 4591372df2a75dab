"""Version 2 of cgroups: one hierarchy. Source: the kernel's admin-guide, cgroup-v2."""

from pathlib import Path

from capibara6_sandbox.isolation.cgroups import (
    CPU_PERIOD_US,
    NEEDED,
    Cgroup,
    Cgroups,
    read_field,
    read_number,
    write_value,
)
from capibara6_sandbox.isolation.limits import CgroupUsage, Limits, Refusals


class CgroupV2(Cgroup):
    """A sandbox's group in the version 2 hierarchy."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def folders(self) -> list[Path]:
        """Its one directory."""
        return [self._folder]

    def set_limits(self, limits: Limits) -> None:
        """Apply limits."""
        write_value(self._folder, "memory.max", limits.memory_bytes)
        if (self._folder / "memory.swap.max").exists():
            write_value(self._folder, "memory.swap.max", 0)
        write_value(self._folder, "pids.max", limits.processes)
        quota = int(limits.cpus * CPU_PERIOD_US)
        write_value(self._folder, "cpu.max", f"{quota} {CPU_PERIOD_US}")
        if (self._folder / "cpu.max.burst").exists():
            write_value(self._folder, "cpu.max.burst", quota)

    def usage(self) -> CgroupUsage:
        """Read what it has used; the peak is 0 on kernels before 5.19."""
        return CgroupUsage(
            memory_bytes=read_number(self._folder / "memory.current"),
            memory_peak_bytes=read_number(self._folder / "memory.peak"),
            cpu_s=read_field(self._folder / "cpu.stat", "usage_usec") / 1e6,
            processes=read_number(self._folder / "pids.current"),
            oom_kills=read_field(self._folder / "memory.events", "oom_kill"),
            cache_bytes=read_field(self._folder / "memory.stat", "file"),
        )

    def refusals(self) -> Refusals:
        """Read how often its limits were met."""
        return Refusals(
            read_field(self._folder / "memory.events", "oom_kill"),
            read_field(self._folder / "pids.events", "max"),
        )

    def _kill(self, pids: list[int]) -> None:
        """Kill all at once, those too that are forked meanwhile (since Linux 5.14)."""
        if (self._folder / "cgroup.kill").exists():
            write_value(self._folder, "cgroup.kill", 1)
        else:
            super()._kill(pids)

    @property
    def can_freeze(self) -> bool:
        """Since Linux 5.2."""
        return (self._folder / "cgroup.freeze").exists()

    def freeze(self) -> None:
        """Begin to stop its processes."""
        write_value(self._folder, "cgroup.freeze", 1)

    def thaw(self) -> None:
        """Let its processes run again."""
        write_value(self._folder, "cgroup.freeze", 0)

    @property
    def frozen(self) -> bool:
        """As the kernel says."""
        return read_field(self._folder / "cgroup.events", "frozen") == 1


class CgroupsV2(Cgroups):
    """The server's groups in the version 2 hierarchy."""

    version = 2

    def __init__(self, parent: Path, name: str) -> None:
        self._root = parent / name
        _enable(parent)
        self._root.mkdir(exist_ok=True)
        _enable(self._root)

    @property
    def roots(self) -> list[Path]:
        """The server's own directory."""
        return [self._root]

    def create(self, name: str, limits: Limits) -> Cgroup:
        """Make the group of one sandbox."""
        group = CgroupV2(self._root / name)
        group.make(limits)
        return group


def _enable(folder: Path) -> None:
    enabled = (folder / "cgroup.subtree_control").read_text().split()
    missing = [f"+{name}" for name in NEEDED if name not in enabled]
    if missing:
        write_value(folder, "cgroup.subtree_control", " ".join(missing))
