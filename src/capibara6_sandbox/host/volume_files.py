"""The files of one volume, as the server itself reads and writes them.

Sandboxes write to a volume whatever they like, links among it, while this code runs. So every path
is opened below the volume's folder and through no link (openat2), and used by descriptor from then
on. All of it blocks: call it in a thread.
"""

import errno
import itertools
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from capibara6_sandbox.errors import BadRequestError, ConflictError, DiskFullError, NotFoundError
from capibara6_sandbox.host.tree_removal import remove_tree
from capibara6_sandbox.isolation import linux
from capibara6_sandbox.isolation.rootfs import USER_ID

ENTRIES_MAX: Final = 100_000
DEPTH_MAX: Final = 10
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY
_LOOK: Final = os.O_PATH | os.O_NOFOLLOW
_NOBODY: Final = 65_534


@dataclass(frozen=True, slots=True)
class Attributes:
    """Owner and mode, as far as they are asked for."""

    uid: int | None = None
    gid: int | None = None
    mode: int | None = None


class VolumeFiles:
    """The files below a folder.

    Args:
        tree: the folder.
        privileged: whether owners are kept; else all belongs to the sandbox's user.
    """

    def __init__(self, tree: Path, *, privileged: bool) -> None:
        self._tree = tree
        self._privileged = privileged

    def stat(self, path: str) -> dict[str, Any]:
        """Describe an entry; a link is described itself."""
        with self._opened(path, _LOOK) as fd:
            return self._describe(_normal(path), os.fstat(fd), _target(fd))

    def entries(self, path: str, depth: int) -> list[dict[str, Any]]:
        """Describe what is in a directory, and in those below it down to `depth`."""
        found: list[dict[str, Any]] = []
        with self._opened(path, _DIRECTORY) as fd:
            self._list(fd, _normal(path), depth, found)
        return found

    def _list(self, folder: int, path: str, depth: int, found: list[dict[str, Any]]) -> None:
        with os.scandir(folder) as entries:
            names = [e.name for e in itertools.islice(entries, ENTRIES_MAX + 1 - len(found))]
        if len(found) + len(names) > ENTRIES_MAX:
            raise BadRequestError(f"{path}: more than {ENTRIES_MAX:,} entries; list less")
        for name in sorted(names):
            try:
                fd = linux.open_beneath(folder, name, _LOOK)
            except FileNotFoundError:
                continue  # removed meanwhile
            try:
                status = os.fstat(fd)
                inner = os.path.join(path, name)
                found.append(self._describe(inner, status, _target(fd)))
            finally:
                os.close(fd)
            if depth > 1 and stat.S_ISDIR(status.st_mode):
                self._list_below(folder, name, inner, depth, found)

    def _list_below(
        self, folder: int, name: str, path: str, depth: int, found: list[dict[str, Any]]
    ) -> None:
        try:
            below = linux.open_beneath(folder, name, _DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            return  # removed or replaced meanwhile
        try:
            self._list(below, path, depth - 1, found)
        finally:
            os.close(below)

    def make_dir(self, path: str, attributes: Attributes, *, parents: bool) -> dict[str, Any]:
        """Make a directory; with `parents` what is missing above it, and it may be there."""
        if parents:
            self._make_parents(path)
        with self._parent(path) as (folder, name):
            try:
                os.mkdir(name, 0o755, dir_fd=folder)
            except FileExistsError:
                if not parents:
                    raise
                return self.stat(path)
        return self.update(path, self._with_defaults(attributes, 0o755))

    def _make_parents(self, path: str) -> None:
        parts = _normal(path).strip("/").split("/")[:-1]
        for number in range(len(parts)):
            try:
                self.make_dir("/".join(parts[: number + 1]), Attributes(), parents=False)
            except ConflictError:
                continue

    def open_read(self, path: str) -> int:
        """Return the descriptor of a regular file, for reading."""
        with self._opened(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW) as fd:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise BadRequestError(f"path {path!r} is not a file")
            return os.dup(fd)

    def open_write(self, path: str, attributes: Attributes, *, force: bool) -> int:
        """Return the descriptor of a file for writing, empty; `force` takes one that is there."""
        if force:
            self._make_parents(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW
        flags |= os.O_TRUNC if force else os.O_EXCL
        with self._opened(path, flags, 0o600) as fd:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise BadRequestError(f"path {path!r} is not a file")
            self._apply(fd, self._with_defaults(attributes, 0o644))
            return os.dup(fd)

    def update(self, path: str, attributes: Attributes) -> dict[str, Any]:
        """Change owner and mode of a file or directory."""
        with self._opened(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW) as fd:
            self._apply(fd, attributes)
            return self._describe(_normal(path), os.fstat(fd), None)

    def remove(self, path: str) -> None:
        """Remove a file, a link, or a directory with all in it."""
        if _normal(path) == "/":
            raise BadRequestError("cannot delete root")
        with self._parent(path) as (folder, name):
            if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                remove_tree(folder, name)
            else:
                os.unlink(name, dir_fd=folder)

    @contextmanager
    def _opened(self, path: str, flags: int, mode: int = 0) -> Iterator[int]:
        with _reported(path), self._root() as root:
            fd = linux.open_beneath(root, _normal(path).lstrip("/") or ".", flags, mode)
            try:
                yield fd
            finally:
                os.close(fd)

    @contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        above, name = os.path.split(_normal(path))
        if not name:
            raise ConflictError(f"path {path!r} is the volume itself")
        with self._opened(above, _DIRECTORY) as folder, _reported(path):
            yield folder, name

    @contextmanager
    def _root(self) -> Iterator[int]:
        root = os.open(self._tree, _DIRECTORY | os.O_CLOEXEC)
        try:
            yield root
        finally:
            os.close(root)

    def _with_defaults(self, attributes: Attributes, mode: int) -> Attributes:
        return Attributes(
            USER_ID if attributes.uid is None else attributes.uid,
            USER_ID if attributes.gid is None else attributes.gid,
            mode if attributes.mode is None else attributes.mode,
        )

    def _apply(self, fd: int, attributes: Attributes) -> None:
        wanted = (attributes.uid, attributes.gid)
        if self._privileged:
            uid, gid = (-1 if number is None else number for number in wanted)
            os.fchown(fd, uid, gid)
        elif any(number not in (None, USER_ID) for number in wanted):
            raise BadRequestError(
                f"uid and gid: without root, this server can give files only to {USER_ID}"
            )
        if attributes.mode is not None:
            os.fchmod(fd, attributes.mode & 0o777)

    def _describe(self, path: str, status: os.stat_result, target: str | None) -> dict[str, Any]:
        told = _text(path)
        entry = {
            "name": os.path.basename(told) or "/",
            "type": _kind(status.st_mode),
            "path": told,
            "size": status.st_size,
            "mode": stat.S_IMODE(status.st_mode),
            "uid": self._owner(status.st_uid, os.geteuid()),
            "gid": self._owner(status.st_gid, os.getegid()),
            "atime": _moment(status.st_atime),
            "mtime": _moment(status.st_mtime),
            "ctime": _moment(status.st_ctime),
        }
        return entry if target is None else entry | {"target": target}

    def _owner(self, number: int, own: int) -> int:
        if self._privileged:
            return number
        return USER_ID if number == own else _NOBODY


def no_room(path: str) -> DiskFullError:
    """Return the error for a path that there is no room for."""
    return DiskFullError(f"path {path!r}: no space left on the server's disk")


def _normal(path: str) -> str:
    """Return an absolute path without dots; what points above the root is refused."""
    if "\0" in path:
        raise BadRequestError(f"path {path!r} contains a NUL character")
    if ".." in path.split("/"):
        raise BadRequestError(f"path {path!r} must not contain '..'")
    return os.path.normpath("/" + path.lstrip("/"))


@contextmanager
def _reported(path: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise ConflictError(f"path {path!r} already exists") from None
    except FileNotFoundError:
        raise NotFoundError(f"path {path!r} was not found") from None
    except UnicodeEncodeError:
        raise BadRequestError(f"path {path!r} is no name of a file") from None
    except OSError as cause:
        if cause.errno in NO_ROOM:
            raise no_room(path) from None
        if cause.errno in _REFUSED:
            raise BadRequestError(f"path {path!r}: {_REFUSED[cause.errno]}") from None
        raise


_REFUSED: Final = {
    errno.ENOTDIR: "a component of the path is a file, but must be a directory",
    errno.EISDIR: "it is a directory",
    errno.ELOOP: "it leads through a link",
    errno.EXDEV: "it leads out of the volume",
    errno.EACCES: "its mode does not let the server in",
    errno.ENAMETOOLONG: "a name is too long",
    errno.ENXIO: "it is not a file",
}
NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def _kind(mode: int) -> str:
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}
    return kinds.get(stat.S_IFMT(mode), "unknown")


def _target(fd: int) -> str | None:
    if not stat.S_ISLNK(os.fstat(fd).st_mode):
        return None
    return _text(os.readlink("", dir_fd=fd))


def _text(path: str) -> str:
    """Return a path as replies can hold it: what is no UTF-8 in it is replaced."""
    return os.fsencode(path).decode(errors="replace")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
