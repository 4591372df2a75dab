"""Cgroups of sandboxes, version 2 or version 1, behind one interface.

A server owns one group per hierarchy, and in it one group per sandbox, which the user's processes
join; the agent stays outside, so that no hog can freeze the control channel. Sources: the kernel's
admin-guide, cgroup-v1/ and cgroup-v2.
"""

import contextlib
import os
import re
import signal
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Final

from capibara6_sandbox.isolation.limits import CgroupUsage, Limits

CPU_PERIOD_US: Final = 50_000
NEEDED: Final = ("memory", "pids", "cpu")
_FREEZER: Final = "freezer"
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

    @abstractmethod
    def usage(self) -> CgroupUsage:
        """Read what it has used."""

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
            _write(folder, self._join_file, pid)

    def end_processes(self) -> None:
        """Kill all that is in it, and let nothing more begin in it.

        Raises:
            OSError: something is still in it after half a second.
        """
        for folder in self.folders:
            if (folder / "pids.max").exists():
                _write(folder, "pids.max", 0)
        for _ in range(_REMOVE_TRIES):
            pids = self.processes()
            if not pids:
                return
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_REMOVE_PAUSE_S)
        raise OSError(f"{len(self.processes())} processes do not end")

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


def _write(folder: Path, name: str, value: object) -> None:
    (folder / name).write_text(str(value))


def _read_number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return 0


def _read_field(path: Path, field: str) -> int:
    found = re.search(rf"^{field} (\d+)$", path.read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def _made(group: Cgroup, limits: Limits) -> Cgroup:
    """Make a group's directories and set its limits; all of it or nothing."""
    made = []
    try:
        for folder in group.folders:
            folder.mkdir()
            made.append(folder)
        group.set_limits(limits)
    except OSError:
        for folder in made:
            remove_group(folder)
        raise
    return group


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
        _write(self._by_controller["pids"], "pids.max", limits.processes)
        cpu, quota = self._by_controller["cpu"], int(limits.cpus * CPU_PERIOD_US)
        _write(cpu, "cpu.cfs_period_us", CPU_PERIOD_US)
        _write(cpu, "cpu.cfs_quota_us", quota)
        if (cpu / "cpu.cfs_burst_us").exists():
            _write(cpu, "cpu.cfs_burst_us", quota)

    def _limit_memory(self, folder: Path, memory_bytes: int) -> None:
        with_swap = folder / "memory.memsw.limit_in_bytes"
        names = ["memory.limit_in_bytes"]
        if with_swap.exists():  # neither limit may pass the other on the way
            raising = memory_bytes > _read_number(with_swap)
            names.insert(0 if raising else 1, "memory.memsw.limit_in_bytes")
        for name in names:
            _write(folder, name, memory_bytes)

    def usage(self) -> CgroupUsage:
        """Read what it has used."""
        memory = self._by_controller["memory"]
        accounting = self._by_controller.get("cpuacct", self._by_controller["cpu"])
        return CgroupUsage(
            memory_bytes=_read_number(memory / "memory.usage_in_bytes"),
            memory_peak_bytes=_read_number(memory / "memory.max_usage_in_bytes"),
            cpu_s=_read_number(accounting / "cpuacct.usage") / 1e9,
            processes=_read_number(self._by_controller["pids"] / "pids.current"),
            oom_kills=_read_field(memory / "memory.oom_control", "oom_kill"),
        )

    @property
    def can_freeze(self) -> bool:
        """Version 1 has a hierarchy of its own for this."""
        return _FREEZER in self._by_controller

    def freeze(self) -> None:
        """Begin to stop its processes."""
        _write(self._by_controller[_FREEZER], "freezer.state", "FROZEN")

    def thaw(self) -> None:
        """Let its processes run again."""
        _write(self._by_controller[_FREEZER], "freezer.state", "THAWED")

    @property
    def frozen(self) -> bool:
        """Reading the state makes the kernel look again."""
        return (self._by_controller[_FREEZER] / "freezer.state").read_text() == "FROZEN\n"


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
        return _made(group, limits)


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
        _write(self._folder, "memory.max", limits.memory_bytes)
        if (self._folder / "memory.swap.max").exists():
            _write(self._folder, "memory.swap.max", 0)
        _write(self._folder, "pids.max", limits.processes)
        quota = int(limits.cpus * CPU_PERIOD_US)
        _write(self._folder, "cpu.max", f"{quota} {CPU_PERIOD_US}")
        if (self._folder / "cpu.max.burst").exists():
            _write(self._folder, "cpu.max.burst", quota)

    def usage(self) -> CgroupUsage:
        """Read what it has used; the peak is 0 on kernels before 5.19."""
        return CgroupUsage(
            memory_bytes=_read_number(self._folder / "memory.current"),
            memory_peak_bytes=_read_number(self._folder / "memory.peak"),
            cpu_s=_read_field(self._folder / "cpu.stat", "usage_usec") / 1e6,
            processes=_read_number(self._folder / "pids.current"),
            oom_kills=_read_field(self._folder / "memory.events", "oom_kill"),
        )

    @property
    def can_freeze(self) -> bool:
        """Since Linux 5.2."""
        return (self._folder / "cgroup.freeze").exists()

    def freeze(self) -> None:
        """Begin to stop its processes."""
        _write(self._folder, "cgroup.freeze", 1)

    def thaw(self) -> None:
        """Let its processes run again."""
        _write(self._folder, "cgroup.freeze", 0)

    @property
    def frozen(self) -> bool:
        """As the kernel says."""
        return _read_field(self._folder / "cgroup.events", "frozen") == 1


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
        return _made(CgroupV2(self._root / name), limits)


def _enable(folder: Path) -> None:
    enabled = (folder / "cgroup.subtree_control").read_text().split()
    missing = [f"+{name}" for name in NEEDED if name not in enabled]
    if missing:
        _write(folder, "cgroup.subtree_control", " ".join(missing))


def find_cgroups(name: str) -> Cgroups:
    """Make the server's groups where this machine lets it.

    Args:
        name: of the server's own group, unique on the machine.

    Raises:
        OSError: no hierarchy with memory, pids and cpu may be used; the message says why.
    """
    own = _own_groups()
    unified = _mounted("cgroup2")
    for mount in unified.values():
        controllers = (mount / "cgroup.controllers").read_text().split()
        if all(needed in controllers for needed in NEEDED):
            return CgroupsV2(_delegated(mount, own[""]), name)
    mounts = _mounted("cgroup")
    missing = [controller for controller in NEEDED if controller not in mounts]
    if missing:
        raise OSError(f"no cgroup hierarchy offers {', '.join(missing)}")
    wanted = [*NEEDED, *(name for name in ("cpuacct", _FREEZER) if name in mounts)]
    return CgroupsV1({c: _below(mounts[c], own.get(c, "/")) for c in wanted}, name)


def _below(mount: Path, group: str) -> Path:
    folder = mount / group.strip("/")
    return folder if folder.exists() else mount  # a cgroup namespace shows other paths


def _delegated(mount: Path, group: str) -> Path:
    """Return the group below which ours may be made: the root's for root, else our own.

    A group with processes can have no children with controllers, so an ordinary user's server
    moves itself into a leaf of the group that was delegated to it.
    """
    if os.geteuid() == 0:
        return mount
    folder = _below(mount, group)
    leaf = folder / "server"
    leaf.mkdir(exist_ok=True)
    _write(leaf, "cgroup.procs", os.getpid())
    return folder


def _own_groups() -> dict[str, str]:
    groups = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = path
    return groups


def _mounted(kind: str) -> dict[str, Path]:
    """Return the mount points of a cgroup file system by controller ("" for version 2)."""
    found = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        file_system, _, options = rest.split(" ", 2)
        if file_system == kind:
            mount = Path(fields.split(" ")[4])
            names = options.split(",") if kind == "cgroup" else [""]
            found.update(dict.fromkeys(names, mount))
    return found
