"""Copying a sandbox's writable layer, with all that an overlay keeps in one.

Every step is taken from the descriptor of the directory before it and follows no link, so that
nothing a guest put into a layer leads out of it. Copying a second layer onto a first one joins
them, by the rules of overlayfs: a whiteout removes, an opaque directory replaces. Standard library
only: the nursery runs this.

Not carried: what is no file (open sockets, deleted files that are still open), POSIX ACLs.
"""

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

DEPTH_MAX: Final = 400  # of directories; two descriptors are held for each
OPAQUE: Final = "user.overlay.opaque"
# What a program's files are to blame for, however much room there is on the disk.
OF_FILES: Final = frozenset({errno.EFBIG, errno.EMLINK, errno.ENAMETOOLONG, errno.E2BIG})
_PATH_MAX: Final = 200  # of a path that is told
_BLOCKS_MIN: Final = 256  # of a disk that is not full
_OVERLAY: Final = "user.overlay."
_IDS: Final = 65_536
_NOBODY: Final = 65_534
_CHUNK_BYTES: Final = 1 << 30
_SEARCH: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Owners:
    """How the ids of owners change on the way.

    Layers on disk hold ids as the sandbox sees them, so that sandboxes of any range can use them.
    """

    shift: int = 0  # added to every id
    kept: bool = False  # a server with a single id gives everything to itself

    @classmethod
    def leaving(cls, uid_base: int | None) -> "Owners":
        """Return the change from a sandbox's range to the disk; None is a single id."""
        return cls(kept=True) if uid_base is None else cls(-uid_base)

    @classmethod
    def entering(cls, uid_base: int | None) -> "Owners":
        """Return the change from the disk to a sandbox's range; None is a single id."""
        return cls(kept=True) if uid_base is None else cls(uid_base)

    def of(self, number: int) -> int:
        """Return the id that stands for `number`; of an id that no sandbox can have, nobody's."""
        inside = number + min(self.shift, 0)
        return (inside if 0 <= inside < _IDS else _NOBODY) + max(self.shift, 0)


@dataclass(slots=True)
class Folder:
    """One directory of the copy that is under way."""

    source: int
    target: int
    entries: Iterator[str]


@dataclass(slots=True)
class LayerCopy:
    """One copy of a directory's contents into another; use it once.

    Args:
        source: descriptor of the directory to read.
        target: descriptor of the directory to fill, which nobody else writes to.
        owners: what becomes of owners.
    """

    source: int
    target: int
    owners: Owners
    bytes: int = 0
    inodes: int = 0
    _linked: dict[tuple[int, int], str] = field(default_factory=dict)  # first path of hard links
    _path: list[str] = field(default_factory=list)

    def run(self) -> dict[str, int]:
        """Copy everything; return how much it was.

        Raises:
            OSError: the disk is full, or directories are nested deeper than `DEPTH_MAX`.
        """
        self._attributes(self.source, self.target)
        todo = [Folder(os.dup(self.source), os.dup(self.target), iter(os.listdir(self.source)))]
        try:
            while todo:
                self._step(todo)
        finally:
            for folder in todo:
                _close(folder)
        return {"bytes": self.bytes, "inodes": self.inodes}

    def _step(self, todo: list[Folder]) -> None:
        """Copy one entry of the innermost directory, or leave that directory.

        Raises:
            OSError: it could not be; the path is named where it is the file's fault.
        """
        folder = todo[-1]
        name = next(folder.entries, None)
        if name is None:
            todo.pop()
            if todo:
                self._path.pop()
                self._times(folder.target, os.fstat(folder.source))
            _close(folder)
            return
        with contextlib.suppress(FileNotFoundError):  # it was removed meanwhile
            status = os.stat(name, dir_fd=folder.source, follow_symlinks=False)
            with self._named(name):
                if stat.S_ISDIR(status.st_mode):
                    self._descend(todo, name)
                else:
                    self._copy(folder, name, status)
            self.inodes += 1
            self.bytes += status.st_blocks * 512

    @contextlib.contextmanager
    def _named(self, name: str) -> Iterator[None]:
        path = [*self._path, name]
        try:
            yield
        except OSError as failure:
            if failure.errno not in OF_FILES:
                raise
            told = os.fsencode("/".join(path)).decode(errors="replace")
            raise OSError(failure.errno, failure.strerror, told[:_PATH_MAX]) from None

    def _descend(self, todo: list[Folder], name: str) -> None:
        if len(todo) >= DEPTH_MAX:
            text = f"directories are nested deeper than {DEPTH_MAX}"
            raise OSError(errno.ENAMETOOLONG, text)
        folder = todo[-1]
        source = os.open(name, _SEARCH, dir_fd=folder.source)
        try:
            target = self._make_folder(folder.target, name, replaces=_is_opaque(source))
        except OSError:
            os.close(source)
            raise
        todo.append(Folder(source, target, iter(os.listdir(source))))
        self._path.append(name)
        self._attributes(source, target)

    def _make_folder(self, parent: int, name: str, *, replaces: bool) -> int:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            there = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if replaces or not stat.S_ISDIR(there.st_mode):
                _remove(parent, name)
                os.mkdir(name, 0o700, dir_fd=parent)
        return os.open(name, _SEARCH, dir_fd=parent)

    def _copy(self, folder: Folder, name: str, status: os.stat_result) -> None:
        try:
            self._make(folder, name, status)
        except FileExistsError:
            _remove(folder.target, name)
            self._make(folder, name, status)

    def _make(self, folder: Folder, name: str, status: os.stat_result) -> None:
        identity = (status.st_dev, status.st_ino)
        if _is_whiteout(status):
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=folder.target)
        elif identity in self._linked:
            first = self._linked[identity]
            os.link(
                first,
                name,
                src_dir_fd=self.target,
                dst_dir_fd=folder.target,
                follow_symlinks=False,
            )
        else:
            if stat.S_ISREG(status.st_mode):
                self._copy_file(folder, name)
            else:
                self._make_other(folder, name, status)
            if status.st_nlink > 1:
                self._linked[identity] = "/".join((*self._path, name))

    def _make_other(self, folder: Folder, name: str, status: os.stat_result) -> None:
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=folder.source), name, dir_fd=folder.target)
        elif stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode):
            os.mknod(name, stat.S_IFMT(status.st_mode) | 0o600, dir_fd=folder.target)
            os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=folder.target)
        else:  # devices, which no sandbox can make
            return
        if not self.owners.kept:
            uid, gid = self.owners.of(status.st_uid), self.owners.of(status.st_gid)
            os.chown(name, uid, gid, dir_fd=folder.target, follow_symlinks=False)
        times = (status.st_atime_ns, status.st_mtime_ns)
        os.utime(name, ns=times, dir_fd=folder.target, follow_symlinks=False)

    def _copy_file(self, folder: Folder, name: str) -> None:
        source = os.open(name, _READ, dir_fd=folder.source)
        try:
            target = os.open(name, _CREATE, 0o600, dir_fd=folder.target)
            try:
                status = os.fstat(source)
                if stat.S_ISREG(status.st_mode):
                    _copy_data(source, target, status)
                self._attributes(source, target)
                self._times(target, status)
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _attributes(self, source: int, target: int) -> None:
        """Copy owner, mode and extended attributes, in this order: a new owner clears modes."""
        status = os.fstat(source)
        if not self.owners.kept:
            os.fchown(target, self.owners.of(status.st_uid), self.owners.of(status.st_gid))
        for name in _names(source):
            _set_attribute(target, name, os.getxattr(source, name))
        os.fchmod(target, stat.S_IMODE(status.st_mode))

    def _times(self, target: int, status: os.stat_result) -> None:
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def measure(folder: int) -> dict[str, int]:
    """Return the size of a layer of which parts were replaced while it was made."""
    inodes = stored = 0
    for _, folders, files, fd in os.fwalk(dir_fd=folder):
        for name in (*folders, *files):
            inodes += 1
            stored += os.stat(name, dir_fd=fd, follow_symlinks=False).st_blocks * 512
    return {"bytes": stored, "inodes": inodes}


def _names(fd: int) -> list[str]:
    """Return the attributes to carry: the user's own, and of overlayfs's only what layers need."""
    try:
        names = os.listxattr(fd)
    except OSError as failure:
        if failure.errno == errno.ENOTSUP:
            return []
        raise
    mine = [name for name in names if name.startswith("user.")]
    return [name for name in mine if name == OPAQUE or not name.startswith(_OVERLAY)]


def _set_attribute(target: int, name: str, value: bytes) -> None:
    try:
        os.setxattr(target, name, value)
    except OSError as failure:  # file systems on disk say of a full file that the disk is full
        if failure.errno != errno.ENOSPC or os.fstatvfs(target).f_bavail < _BLOCKS_MIN:
            raise
        text = "it has more extended attributes than the server's disk keeps for a file"
        raise OSError(errno.E2BIG, text) from None


def _is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _is_opaque(fd: int) -> bool:
    return OPAQUE in _names(fd)


def _copy_data(source: int, target: int, status: os.stat_result) -> None:
    """Copy what is there of a file; its holes stay holes."""
    size, offset = status.st_size, 0
    while offset < size:
        try:
            offset = os.lseek(source, offset, os.SEEK_DATA)
        except OSError as failure:
            if failure.errno == errno.ENXIO:  # only a hole is left
                break
            raise
        end = os.lseek(source, offset, os.SEEK_HOLE)
        os.lseek(target, offset, os.SEEK_SET)
        while offset < end:
            sent = os.sendfile(target, source, offset, min(end - offset, _CHUNK_BYTES))
            if sent == 0:  # it was cut short meanwhile
                return
            offset += sent
    if offset < size:  # it ends in a hole
        os.ftruncate(target, size)


def _remove(parent: int, name: str) -> None:
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode):
        shutil.rmtree(name, dir_fd=parent)
    else:
        os.unlink(name, dir_fd=parent)


def _close(folder: Folder) -> None:
    os.close(folder.source)
    os.close(folder.target)
