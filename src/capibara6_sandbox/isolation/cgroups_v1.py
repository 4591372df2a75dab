"""Version 1 of cgroups: a hierarchy a controller. Source: the kernel's admin-guide, cgroup-v1/."""

from pathlib import Path
from typing import Final

from capibara6_sandbox.isolation.cgroups import (
    CPU_PERIOD_US,
    Cgroup,
    Cgroups,
    read_field,
    read_number,
    write_value,
)
from capibara6_sandbox.isolation.limits import CgroupUsage, Limits, Refusals

FREEZER: Final = "freezer"


class CgroupV1(Cgroup):
    """A sandbox's groups, one in each version 1 hierarchy."""

    # Moving the calling thread takes no global lock; moving a process may wait 10 ms for one.
    _join_file = "tasks"

    def __init__(self, folders: dict[str, Path]) -> None:
        self._by_controller = folders

    @property
    def folders(self) -> list[Path]:
        """Its directories; controllers that are mounted together share one."""
        return list(dict.fromkeys(self._by_controller.values()))

    def set_limits(self, limits: Limits) -> None:
        """Apply limits."""
        self._limit_memory(self._by_controller["memory"], limits.memory_bytes)
        write_value(self._by_controller["pids"], "pids.max", limits.processes)
        cpu, quota = self._by_controller["cpu"], int(limits.cpus * CPU_PERIOD_US)
        write_value(cpu, "cpu.cfs_period_us", CPU_PERIOD_US)
        write_value(cpu, "cpu.cfs_quota_us", quota)
        if (cpu / "cpu.cfs_burst_us").exists():
            write_value(cpu, "cpu.cfs_burst_us", quota)

    def _limit_memory(self, folder: Path, memory_bytes: int) -> None:
        with_swap = folder / "memory.memsw.limit_in_bytes"
        names = ["memory.limit_in_bytes"]
        if with_swap.exists():  # neither limit may pass the other on the way
            raising = memory_bytes > read_number(with_swap)
            names.insert(0 if raising else 1, "memory.memsw.limit_in_bytes")
        for name in names:
            write_value(folder, name, memory_bytes)

    def usage(self) -> CgroupUsage:
        """Read what it has used."""
        memory = self._by_controller["memory"]
        accounting = self._by_controller.get("cpuacct", self._by_controller["cpu"])
        return CgroupUsage(
            memory_bytes=read_number(memory / "memory.usage_in_bytes"),
            memory_peak_bytes=read_number(memory / "memory.max_usage_in_bytes"),
            cpu_s=read_number(accounting / "cpuacct.usage") / 1e9,
            processes=read_number(self._by_controller["pids"] / "pids.current"),
            oom_kills=read_field(memory / "memory.oom_control", "oom_kill"),
            cache_bytes=read_field(memory / "memory.stat", "cache"),
        )

    def refusals(self) -> Refusals:
        """Read how often its limits were met."""
        return Refusals(
            read_field(self._by_controller["memory"] / "memory.oom_control", "oom_kill"),
            read_field(self._by_controller["pids"] / "pids.events", "max"),
        )

    @property
    def can_freeze(self) -> bool:
        """Version 1 has a hierarchy of its own for this."""
        return FREEZER in self._by_controller

    def freeze(self) -> None:
        """Begin to stop its processes."""
        write_value(self._by_controller[FREEZER], "freezer.state", "FROZEN")

    def thaw(self) -> None:
        """Let its processes run again."""
        write_value(self._by_controller[FREEZER], "freezer.state", "THAWED")

    @property
    def frozen(self) -> bool:
        """Reading the state makes the kernel look again."""
        return (self._by_controller[FREEZER] / "freezer.state").read_text() == "FROZEN\n"


class CgroupsV1(Cgroups):
    """The server's groups in the version 1 hierarchies, below its own groups there."""

    version = 1

    def __init__(self, parents: dict[str, Path], name: str) -> None:
        self._folders = {controller: parent / name for controller, parent in parents.items()}
        for folder in self.roots:
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def roots(self) -> list[Path]:
        """The server's own directories."""
        return list(dict.fromkeys(self._folders.values()))

    def create(self, name: str, limits: Limits) -> Cgroup:
        """Make the group of one sandbox."""
        group = CgroupV1({c: folder / name for c, folder in self._folders.items()})
        group.make(limits)
        return group
