"""A server's place on the machine: its run directory, its lock, and what dead servers left.

Every server holds a lock in a directory of its own. A directory whose lock is free belongs to a
server that ended without cleaning up (kill -9, power): the next start ends its processes and
removes its groups and files.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from capibara6_sandbox.isolation.cgroup_hierarchies import find_cgroups
from capibara6_sandbox.isolation.cgroups import Cgroups, remove_group

INSTANCE_PREFIX: Final = "c6-"
_LOCK_NAME: Final = "lock"
_GROUPS_NAME: Final = "groups"
_REMOVALS_MAX: Final = 20  # each waits for half a second


class Instance:
    """This server's run directory, locked while the server lives."""

    def __init__(self, parent: Path) -> None:
        self.name = f"{INSTANCE_PREFIX}{secrets.token_hex(4)}"
        self.folder = parent / self.name
        with _turn(parent):
            self.folder.mkdir(mode=0o700)
            self._lock = (self.folder / _LOCK_NAME).open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.view = self.folder / "view"
        self.view.mkdir()

    def note_groups(self, groups: Cgroups) -> None:
        """Write where this server's groups are: who clears up may see itself elsewhere."""
        text = "".join(f"{root}\n" for root in groups.roots)
        (self.folder / _GROUPS_NAME).write_text(text)

    def close(self) -> None:
        """Remove the directory and give up the lock. Idempotent."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()


def run_folder() -> Path:
    """Return the folder of run directories: short, private, on a local file system.

    Raises:
        OSError: it exists and belongs to somebody else.
    """
    uid = os.geteuid()
    if uid == 0:
        folder = Path("/run/capibara6")
    elif os.environ.get("XDG_RUNTIME_DIR"):
        folder = Path(os.environ["XDG_RUNTIME_DIR"], "capibara6")
    else:
        folder = Path(f"/tmp/capibara6-{uid}")  # noqa: S108 - checked below
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid:
        raise OSError(f"{folder} belongs to user {status.st_uid}; remove it or set XDG_RUNTIME_DIR")
    return folder


def clean_up_after_dead(parent: Path, log: Callable[[str], None]) -> int:
    """End and remove what dead servers left below `parent`; return how many there were."""
    found = 0
    with _turn(parent):
        for folder in parent.glob(f"{INSTANCE_PREFIX}*"):
            if _lives(folder):
                continue
            found += 1
            log(f"cleaning up after server {folder.name}, which ended without doing so")
            try:
                _remove_groups(folder)
            except OSError as cause:  # its folder stays, so that the next start tries again
                log(f"what server {folder.name} left cannot be removed yet: {cause}")
                continue
            shutil.rmtree(folder, ignore_errors=True)
    return found


def _lives(folder: Path) -> bool:
    """Whether a server holds a folder; one without a lock is of a server killed at its start."""
    try:
        with (folder / _LOCK_NAME).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


@contextlib.contextmanager
def _turn(parent: Path) -> Iterator[None]:
    """Keep other servers from making or judging folders meanwhile."""
    folder = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _remove_groups(folder: Path) -> None:
    roots = _groups_of(folder)
    for root in roots:
        _kill_all(root)
    for root in roots:
        _remove(root)


def _groups_of(folder: Path) -> list[Path]:
    """Return the groups of a server, as it wrote them down, and where ours would be."""
    noted = folder / _GROUPS_NAME
    lines = noted.read_text().splitlines() if noted.exists() else []
    roots = [Path(line) for line in lines if Path(line).name == folder.name]
    with contextlib.suppress(OSError):  # without any, agents end when their server is gone
        roots += find_cgroups(folder.name).roots
    return list(dict.fromkeys(roots))


def _remove(root: Path) -> None:
    """Remove a group whose processes were killed: on a busy machine they take a while to end."""
    for _ in range(_REMOVALS_MAX - 1):
        with contextlib.suppress(OSError):
            return remove_group(root)
    return remove_group(root)


def _kill_all(root: Path) -> None:
    for procs in root.rglob("cgroup.procs"):
        for pid in _members(procs):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _members(procs: Path) -> list[int]:
    """Return who is in a group; nobody, if it was removed meanwhile."""
    try:
        return [int(pid) for pid in procs.read_text().split()]
    except OSError as cause:
        if cause.errno not in (errno.ENOENT, errno.ENODEV):
            raise
        return []
