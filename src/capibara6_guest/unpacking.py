"""Unpacking a layer of an image over this sandbox's own root.

The archive is a stranger's. It is read in a fork that lives in the sandbox like any program of its
user: a path can lead nowhere but into the sandbox's own files, and what it takes counts against
the sandbox's limits. The rules are those of the OCI image specification: entries replace what was
there, `.wh.NAME` removes NAME, and `.wh..wh..opq` what lower layers have in its directory.

Not carried: devices, attributes that only a host's root may set (capabilities of files).
"""

import contextlib
import errno
import os
import posixpath
import shutil
import stat
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Final

WHITEOUT: Final = ".wh."
OPAQUE: Final = ".wh..wh..opq"
_XATTR: Final = "SCHILY.xattr."
_LATEST_S: Final = float(1 << 33)  # what every file system can hold
_OWN: Final = ("dev", "proc", "sys")  # mounted by the sandbox; an image has nothing to say there
_IDS: Final = 65_536
_NOBODY: Final = 65_534
_CHUNK_BYTES: Final = 1 << 20


class ImageError(Exception):
    """A layer that is no layer; the message says at which entry."""


@dataclass
class Unpacking:
    """One layer's way into a root directory; use `run` once.

    Args:
        root: where; "/" in a sandbox.
    """

    root: str = "/"
    entries: int = 0
    skipped: int = 0  # devices, and what lies below mount points
    _own: set[str] = field(default_factory=set)  # what this layer has made
    _folders: dict[str, float] = field(default_factory=dict)  # their times, which entries change

    def run(self, archive: IO[bytes]) -> dict[str, int]:
        """Unpack an uncompressed archive; return what was done.

        Raises:
            ImageError, tarfile.TarError: it is damaged, or leads out of the image.
            OSError: the disk is full.
        """
        self._device = os.stat(self.root).st_dev
        with tarfile.open(fileobj=archive, mode="r|") as tar:
            for member in _each(tar):
                self._take(tar, member)
                self.entries += 1
        for path, time in reversed(self._folders.items()):
            with contextlib.suppress(FileNotFoundError):
                os.utime(path, (time, time), follow_symlinks=False)
        while archive.read(_CHUNK_BYTES):  # padding, so that the sender can finish
            pass
        return {"entries": self.entries, "skipped": self.skipped}

    def _take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = posixpath.normpath("/" + member.name).lstrip("/")
        if not name:
            self._attributes(self.root, member)
            return
        folder, _, last = name.rpartition("/")
        if (folder or last).split("/")[0] in _OWN:
            self.skipped += 1
            return
        parent = self._folder(folder)
        if last == OPAQUE:
            self._hide(parent)
        elif last.startswith(WHITEOUT):
            if not last.startswith(WHITEOUT + WHITEOUT):  # else a note of the tool that made it
                self._white_out(f"{parent}/{last.removeprefix(WHITEOUT)}")
        else:
            self._make(tar, member, f"{parent}/{last}")

    def _folder(self, folder: str) -> str:
        """Return an entry's directory, as links inside the image lead there; make it if missing."""
        path = posixpath.join(self.root, folder)
        os.makedirs(path, exist_ok=True)
        real = os.path.realpath(path)
        inside = real == self.root or real.startswith(self.root.rstrip("/") + "/")
        if not inside or os.stat(real).st_dev != self._device:
            raise ImageError(f"a link leads out of the image: /{folder}")
        return real.rstrip("/")

    def _hide(self, folder: str) -> None:
        """Remove what lower layers have in a directory."""
        for name in os.listdir(folder or "/"):
            if folder or name not in _OWN:
                self._white_out(f"{folder}/{name}")

    def _white_out(self, path: str) -> None:
        """Remove what lower layers have at a path, but not what this one has put there."""
        if path not in self._own:
            _remove(path)
        elif os.path.isdir(path) and not os.path.islink(path):
            self._hide(path)

    def _make(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
        there = _status(path)
        if there is not None and not (member.isdir() and stat.S_ISDIR(there.st_mode)):
            _remove(path)
            there = None
        if member.isdir():
            if there is None:
                os.mkdir(path, 0o700)
            self._folders[path] = _time(member)
        elif member.isreg():
            _write(tar, member, path)
        elif member.issym():
            os.symlink(member.linkname, path)
        elif member.islnk():
            self._link(member, path)
            return
        elif member.isfifo():
            os.mkfifo(path, 0o600)
        else:
            self.skipped += 1
            return
        self._keep(path)
        self._attributes(path, member)

    def _keep(self, path: str) -> None:
        """Note an entry with all directories above it: they are this layer's too."""
        while path and path not in self._own:
            self._own.add(path)
            path = path.rpartition("/")[0]

    def _link(self, member: tarfile.TarInfo, path: str) -> None:
        target = posixpath.normpath("/" + member.linkname).lstrip("/")
        folder, _, last = target.rpartition("/")
        try:
            os.link(f"{self._folder(folder)}/{last}", path, follow_symlinks=False)
        except FileNotFoundError:
            raise ImageError(f"{member.name[:200]} is a link to what is not there") from None
        self._keep(path)

    def _attributes(self, path: str, member: tarfile.TarInfo) -> None:
        """Set owner, mode, attributes and time, in this order: a new owner clears modes."""
        if os.getuid() == 0:
            os.chown(path, _id(member.uid), _id(member.gid), follow_symlinks=False)
        if member.issym():
            return
        os.chmod(path, stat.S_IMODE(member.mode))
        if member.isreg() or member.isdir():
            _set_attributes(path, member.pax_headers)
        os.utime(path, (_time(member), _time(member)))


def _each(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the entries without keeping them."""
    while (member := tar.next()) is not None:
        yield member
        tar.members.clear()  # type: ignore[attr-defined]  # else it keeps all


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
    source = tar.extractfile(member)
    assert source is not None, "it is a regular file"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(path, "wb", opener=lambda name, _: os.open(name, flags, 0o600)) as file:
        shutil.copyfileobj(source, file, _CHUNK_BYTES)


def _set_attributes(path: str, headers: Mapping[str, str]) -> None:
    for header, value in headers.items():
        name = header.removeprefix(_XATTR)
        if name == header or not name.startswith("user.") or name.startswith("user.overlay."):
            continue  # others are the host's root's, or steer the overlay itself
        try:
            os.setxattr(path, name, value.encode("utf-8", "surrogateescape"))
        except OSError as failure:
            if failure.errno != errno.ENOTSUP:  # a file system without any
                raise


def _time(member: tarfile.TarInfo) -> float:
    return min(max(member.mtime, 0.0), _LATEST_S)


def _id(number: int) -> int:
    return number if 0 <= number < _IDS else _NOBODY


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _remove(path: str) -> None:
    status = _status(path)
    if status is None:
        return
    if stat.S_ISDIR(status.st_mode):
        shutil.rmtree(path)
    else:
        os.unlink(path)
