"""What a kernel holds that came into a fork: nothing that leads to its origin or its siblings.

The copy gives its descriptors and shared memory up by itself; but its code is the user's, which may
be hostile. So what it holds is looked at from outside, while it waits and has a single thread:
every descriptor must be one that the server has made for it, a harmless device, or a file of the
fork's own mounts; so must its directories; and memory that is shared, of the fork's own /dev/shm.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capibara6_sandbox.errors import StartError

HELD_MAX: Final = 4096  # descriptors, as a process may have at first
_SHM: Final = "/dev/shm"  # noqa: S108 - the fork's
_MEMORY_MAJOR: Final = 1
_HARMLESS_MINORS: Final = frozenset({3, 5, 7, 8, 9})  # null, zero, full, random, urandom
_SHARED_MAPPING: Final = re.compile(r"^\S+ ..(?:.)s \S+ (\S+) \d+", re.MULTILINE)
_MOUNT_ID: Final = re.compile(r"^mnt_id:\s+(\d+)$", re.MULTILINE)

Identity = tuple[int, int]  # device and inode


def identity(fd: int) -> Identity:
    """Return what stays the same for every descriptor of one socket, pipe or file."""
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


@dataclass(frozen=True, slots=True)
class _Mounts:
    """The mounts that a process sees."""

    ids: frozenset[str]
    shm_device: str  # as its mappings name it

    @classmethod
    def of(cls, folder: Path) -> "_Mounts":
        rows = [line.split(" ", 5) for line in (folder / "mountinfo").read_text().splitlines()]
        shm = [row[2] for row in rows if row[4] == _SHM]
        numbers = [int(part) for part in shm[-1].split(":")] if shm else [0, 0]
        return cls(frozenset(row[0] for row in rows), "{:02x}:{:02x}".format(*numbers))


def check_holdings(pid: int, known: frozenset[Identity]) -> None:
    """See that a process holds nothing of another sandbox.

    Args:
        pid: of a process without capabilities and with a single thread.
        known: sockets and pipes that the server has made for it.

    Raises:
        StartError: it does; the message says what.
    """
    folder = Path(f"/proc/{pid}")
    try:
        mounts = _Mounts.of(folder)
        held = next(_foreign(folder, mounts, known), "")
    except (FileNotFoundError, ProcessLookupError):
        raise StartError("The forked kernel ended before it could run.") from None
    if held:
        raise StartError(f"The forked kernel holds on to what is not its sandbox's: {held}.")


def _foreign(folder: Path, mounts: _Mounts, known: frozenset[Identity]) -> Iterator[str]:
    """Yield what is not its own."""
    descriptors = os.listdir(folder / "fd")
    if len(descriptors) > HELD_MAX:
        yield f"{len(descriptors)} descriptors"
    for name in descriptors:
        status = os.stat(folder / "fd" / name)
        if (status.st_dev, status.st_ino) in known or _is_harmless(status):
            continue
        if not stat.S_ISREG(status.st_mode) or _mount_of(folder, name) not in mounts.ids:
            yield f"descriptor {name}, {_shown(folder / 'fd' / name)}"
    for name in ("cwd", "root"):
        if _mount_behind(folder / name) not in mounts.ids:
            yield f"{name}, {_shown(folder / name)}"
    for device in _SHARED_MAPPING.findall((folder / "maps").read_text()):
        if device != mounts.shm_device:
            yield f"shared memory of device {device}"


def _is_harmless(status: os.stat_result) -> bool:
    device = status.st_rdev
    return (
        stat.S_ISCHR(status.st_mode)
        and os.major(device) == _MEMORY_MAJOR
        and os.minor(device) in _HARMLESS_MINORS
    )


def _mount_of(folder: Path, descriptor: str) -> str:
    found = _MOUNT_ID.search((folder / "fdinfo" / descriptor).read_text())
    return found[1] if found else ""


def _mount_behind(link: Path) -> str:
    """Return the mount that a link of /proc leads to, which its path does not tell."""
    fd = os.open(link, os.O_PATH | os.O_CLOEXEC)
    try:
        return _mount_of(Path("/proc/self"), str(fd))
    finally:
        os.close(fd)


def _shown(link: Path) -> str:
    """Return what a link of /proc shows; it is data."""
    return ascii(os.readlink(link))[1:-1][:200]
