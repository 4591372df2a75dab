"""Operations on the contents of regular files: read and write, streamed, with a user's rights.

Opening never waits: a FIFO, a device or a socket is refused, not opened for real.
"""

import errno
import os
import stat
from collections.abc import AsyncIterator
from typing import Any

from capibara6_guest.agent import Call
from capibara6_guest.entries import METADATA_PREFIX, EntryReader
from capibara6_guest.failures import reported
from capibara6_guest.files import target
from capibara6_guest.paths import make_directories
from capibara6_guest.users import User, acting_as
from capibara6_guest.wire import DATA_BYTES_MAX, CallError

_CAREFULLY = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_FILE_MODE = 0o666  # less the umask


async def read(call: Call) -> dict[str, Any]:
    """files.read {user, path, start, length} -> event {size, modified_ns, start, length}, DATA*.

    A negative `start` counts from the end; `length` null means up to the end. The event says what
    will really come; its `length` is null for files that do not know their size (as in /proc).
    """
    user, path = target(call)
    action = f"cannot read '{path}'"
    with reported(action), acting_as(user):
        fd = _open_regular(path, os.O_RDONLY)
    try:
        with reported(action):
            status = os.fstat(fd)
            start, length = _range(call.arguments, status.st_size)
            if length is None:  # one of /proc, which may refuse only when it is read
                os.pread(fd, 1, start)
            os.lseek(fd, start, os.SEEK_SET)
        await call.send(
            {
                "size": status.st_size,
                "modified_ns": status.st_mtime_ns,
                "start": start,
                "length": length,
            }
        )
        return {"sent": await _send(call, fd, length, action)}
    finally:
        os.close(fd)


async def write(call: Call) -> dict[str, Any]:
    """files.write {user, path, metadata}, DATA*, END -> {"entry"}.

    Creates the file and missing parents as the user; an existing file is truncated in place. When
    it fails before END, the event {"refused": true} asks the caller to stop; what still comes is
    read and dropped, so that the error reaches the caller.
    """
    body = call.body()
    try:
        return await _write(call, body)
    except CallError:
        await call.send({"refused": True})
        async for _ in body:  # goes on where the failure was, and is over if END has come
            pass
        raise


async def _write(call: Call, body: AsyncIterator[bytes]) -> dict[str, Any]:
    user, path = target(call)
    metadata = call.arguments.get("metadata") or {}
    action = f"cannot write '{path}'"
    with reported(action), acting_as(user):
        fd = _open_for_writing(path, user)
    try:
        async for piece in body:
            with reported(action):
                _write_all(fd, piece)
        with reported(action):
            _store_metadata(fd, metadata)
    finally:
        os.close(fd)
    with reported(action), acting_as(user):
        return {"entry": EntryReader().describe(path)}


def _open_for_writing(path: str, user: User) -> int:
    make_directories(os.path.dirname(path))
    try:
        fd = _open_regular(path, os.O_WRONLY)
    except FileNotFoundError:
        fd = _open_regular(path, os.O_WRONLY | os.O_CREAT)
        # Clients count on a "chmod" between "create" and "write" when they watch a directory:
        # the original server changes the owner here. Setting the mode it has gives the same event.
        os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode))
        return fd
    try:
        _refuse_procfs(fd, path)
        os.ftruncate(fd, 0)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _refuse_procfs(fd: int, path: str) -> None:
    """Refuse files of /proc: a planted link to /proc/self would mean the agent itself."""
    if os.fstat(fd).st_dev == os.stat("/proc").st_dev:
        raise CallError("invalid_argument", f"'{path}' lies in procfs")


def _open_regular(path: str, flags: int) -> int:
    fd = os.open(path, flags | _CAREFULLY, _FILE_MODE)
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return fd
    os.close(fd)
    what = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
    raise CallError("invalid_argument", f"path '{path}' is {what}")


def _range(arguments: dict[str, Any], size: int) -> tuple[int, int | None]:
    """Return where to start and how much to send; None means until the end, wherever that is."""
    start, length = arguments.get("start", 0), arguments.get("length")
    if not isinstance(start, int) or not isinstance(length, int | None):
        raise CallError("invalid_argument", "start and length must be whole numbers")
    if size == 0:
        return 0, None
    if start < 0:
        start = max(0, size + start)
    rest = max(0, size - start)
    return start, rest if length is None else max(0, min(length, rest))


async def _send(call: Call, fd: int, length: int | None, action: str) -> int:
    sent = 0
    while length is None or sent < length:
        wanted = DATA_BYTES_MAX if length is None else min(DATA_BYTES_MAX, length - sent)
        with reported(action):
            piece = os.read(fd, wanted)
        if not piece:
            break
        await call.send_data(piece)
        sent += len(piece)
    return sent


def _write_all(fd: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _store_metadata(fd: int, metadata: dict[str, str]) -> None:
    """Replace all metadata of the file, so that none of an earlier upload remains."""
    names = {METADATA_PREFIX + key: value for key, value in metadata.items()}
    try:
        for name in os.listxattr(fd):
            if name.startswith(METADATA_PREFIX) and name not in names:
                os.removexattr(fd, name)
        for name, value in names.items():
            os.setxattr(fd, name, value.encode("ascii"))
    except OSError as failure:
        # A file system without extended attributes keeps none, and the reply shows that.
        if failure.errno != errno.ENOTSUP:
            raise
