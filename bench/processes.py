"""The processes below a server, as /proc shows them."""

from pathlib import Path


def descendants(pid: int) -> list[int]:
    """Return the ids of all processes below `pid`."""
    found, todo = [], [pid]
    while todo:
        for path in _threads(todo.pop()):
            below = [int(child) for child in _read(path).split()]
            found += below
            todo += below
    return found


def _threads(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").glob("*/children"))
    except OSError:  # it has ended meanwhile
        return []


def command_name(pid: int) -> str:
    """Return a process's name; "" when it has ended."""
    return _read(Path(f"/proc/{pid}/comm")).strip()


def started(pid: int) -> str:
    """Return when a process began, in ticks; "" if it is none, or has ended."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return "" if not fields or fields[0] in "ZX" else fields[19]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        return ""
