"""What a server holds on its machine, and how much memory its processes have, as /proc shows it."""

import contextlib
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from capibara6_sandbox.arguments import data_folder
from processes import command_name, descendants

_CGROUPS = Path("/sys/fs/cgroup")
_KEPT = ("layers", "uploads", "volumes", "secrets", "own-templates")  # below the data folder
_MB = 1_000_000
_LISTENS = "0A"  # the state of a listening socket in /proc/net/tcp


@dataclass(frozen=True)
class Holdings:
    """Counts that are the same before and after, if nothing leaks."""

    processes: int
    descriptors: int  # of the server, but for its clients' connections
    cgroups: int
    mounts: int  # that the server and its nursery see
    files: int  # in the server's folders, but for the templates that it brings

    @classmethod
    def of(cls, pid: int) -> "Holdings":
        """Count what the server `pid` holds now."""
        below = descendants(pid)
        folder = _run_folder(pid)
        nurseries = [one for one in below if command_name(one) == "c6-nursery"]
        return cls(
            processes=len(below),
            descriptors=len(_links(pid) - _connections(pid)),
            cgroups=_groups_below(folder.name),
            mounts=sum(_lines(f"/proc/{one}/mountinfo") for one in (pid, *nurseries)),
            files=_files(folder) + sum(_files(_data_folder(pid) / name) for name in _KEPT),
        )


def kinds_of_descriptors(pid: int) -> Counter[str]:
    """Return what those of a process lead to that `Holdings` counts, without numbers of inodes."""
    links = _links(pid) - _connections(pid)
    return Counter(link.partition(" ")[2].partition("[")[0] for link in links)


def resident_mb(pid: int) -> dict[str, float]:
    """Return the resident memory of the server, and the mean of its sandboxes' agents."""
    agents = [one for one in descendants(pid) if command_name(one) == "c6-agent"]
    found = {"server": _resident_mb(pid)}
    if agents:
        found["agent"] = sum(map(_resident_mb, agents)) / len(agents)
    return found


def _run_folder(pid: int) -> Path:
    """Return the folder that is known by the lock which the server holds."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        target = os.readlink(link)
        if target.endswith("/lock") and "/c6-" in target:
            return Path(target).parent
    raise SystemExit(f"process {pid} is no sandbox server: it holds no lock")


def _links(pid: int) -> set[str]:
    """Return what a process's descriptors lead to, each told apart by its number."""
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(f"{link.name} {os.readlink(link)}")
    return found


def _connections(pid: int) -> set[str]:
    """Return those descriptors that lead to TCP connections."""
    tables = [Path(f"/proc/{pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table.splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[3] != _LISTENS}
    return {link for link in _links(pid) if link.partition(" ")[2] in sockets}


def _groups_below(name: str) -> int:
    """Count the groups in every one of this name; others come and go meanwhile."""
    walk = os.walk(_CGROUPS)
    return sum(len(below) for path, below, _ in walk if os.path.basename(path) == name)


def _data_folder(pid: int) -> Path:
    arguments = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return (
        Path(arguments[arguments.index("--data") + 1]) if "--data" in arguments else data_folder()
    )


def _files(folder: Path) -> int:
    return sum(len(below) + len(files) for _, below, files in os.walk(folder))


def _lines(file: str) -> int:
    try:
        return len(Path(file).read_text().splitlines())
    except OSError:  # it has ended, or is about to
        return 0


def _resident_mb(pid: int) -> float:
    try:
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        return 0.0
    return int(found[1]) * 1024 / _MB if found else 0.0
