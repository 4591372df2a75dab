"""The processes of a sandbox as this machine's process table has them, whatever they say."""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_KINDS: Final = ("user", "pid", "mnt", "net", "ipc", "uts", "cgroup")
_AGENT: Final = "c6-agent"
_GONE: Final = (FileNotFoundError, ProcessLookupError)


@dataclass(frozen=True, slots=True)
class Insides:
    """A sandbox's processes, known by its first one."""

    sandbox_id: str
    agent: int
    namespaces: dict[str, str]
    mounts: str
    root: tuple[int, int]  # device and inode
    group_folders: tuple[Path, ...]

    @classmethod
    def find(cls, sandbox_id: str) -> "Insides | None":
        """Find a sandbox of this machine by the socket that its agent listens on."""
        agent = _holder(f"/{sandbox_id}.sock")
        if agent is None:
            return None
        folder = _PROC / str(agent)
        root = (folder / "root").stat()
        return cls(
            sandbox_id,
            agent,
            namespaces(agent),
            _read(folder / "mountinfo"),
            (root.st_dev, root.st_ino),
            tuple(groups(sandbox_id)),
        )

    def processes(self) -> list[int]:
        """Return the ids of all its processes but the agent."""
        own = os.readlink("/proc/self/ns/pid")
        theirs = self.namespaces["pid"]
        parents: dict[int, int] = {}
        found: set[int] = set()
        for folder in _PROC.glob("[0-9]*"):
            pid = int(folder.name)
            stat = _read(folder / "stat")
            if not stat:
                continue
            parents[pid] = int(stat.rpartition(")")[2].split()[1])
            if theirs != own and namespace(pid, "pid") == theirs:
                found.add(pid)
        for group in self.group_folders:
            found |= {int(pid) for pid in _read(group / "cgroup.procs").split()}
        found |= {pid for pid in parents if _descends(pid, self.agent, parents)}
        return sorted(pid for pid in found - {self.agent} if _read(_PROC / str(pid) / "stat"))

    def descriptors(self) -> Iterator[tuple[int, Path]]:
        """Yield every descriptor of its processes, as a path in /proc."""
        for pid in self.processes():
            with contextlib.suppress(*_GONE, PermissionError):
                for fd in (_PROC / str(pid) / "fd").iterdir():
                    yield pid, fd

    def group(self, controller: str) -> Path | None:
        """Return its group that has a controller's files, if there is one."""
        for folder in self.group_folders:
            if any(folder.glob(f"{controller}.*")):
                return folder
        return None


def namespaces(pid: int) -> dict[str, str]:
    """Return the namespaces of a process, by kind."""
    return {kind: namespace(pid, kind) for kind in _KINDS}


def namespace(pid: int, kind: str) -> str:
    """Return one namespace of a process; "" once it has ended."""
    with contextlib.suppress(*_GONE, PermissionError):
        return os.readlink(f"/proc/{pid}/ns/{kind}")
    return ""


def status(pid: int) -> dict[str, str]:
    """Return the fields of /proc/PID/status; none once it has ended."""
    lines = _read(_PROC / str(pid) / "status").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def text(pid: int, name: str) -> str:
    """Return a file of a process in /proc; "" once it has ended."""
    return _read(_PROC / str(pid) / name)


def groups(sandbox_id: str) -> list[Path]:
    """Return the directories of a sandbox's cgroup."""
    walk = os.walk("/sys/fs/cgroup")  # past what others remove meanwhile
    return sorted(
        Path(path, name) for path, below, _ in walk for name in below if name.startswith(sandbox_id)
    )


def _holder(path_end: str) -> int | None:
    """Return the agent that holds the listening Unix socket at a path."""
    found = re.search(rf"(\d+) \S+{re.escape(path_end)}$", _read(_PROC / "net/unix"), re.MULTILINE)
    if found is None:
        return None
    link = f"socket:[{found[1]}]"
    for folder in _PROC.glob("[0-9]*"):
        with contextlib.suppress(*_GONE, PermissionError):
            is_agent = _read(folder / "comm").strip() == _AGENT
            if is_agent and any(_link(fd) == link for fd in (folder / "fd").iterdir()):
                return int(folder.name)
    return None


def _link(path: Path) -> str:
    with contextlib.suppress(*_GONE):
        return os.readlink(path)
    return ""


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    for _ in range(64):
        pid = parents.get(pid, 0)
        if pid == ancestor:
            return True
    return False


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except (*_GONE, PermissionError, OSError):
        return ""
