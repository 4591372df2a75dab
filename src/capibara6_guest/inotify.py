"""The kernel's inotify, which the standard library does not have."""

import ctypes
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MODIFY: Final = 0x0000_0002
ATTRIB: Final = 0x0000_0004
MOVED_FROM: Final = 0x0000_0040
MOVED_TO: Final = 0x0000_0080
CREATE: Final = 0x0000_0100
DELETE: Final = 0x0000_0200
DELETE_SELF: Final = 0x0000_0400
MOVE_SELF: Final = 0x0000_0800
QUEUE_OVERFLOW: Final = 0x0000_4000
IGNORED: Final = 0x0000_8000
ONLY_DIRECTORY: Final = 0x0100_0000
DONT_FOLLOW: Final = 0x0200_0000
IS_DIRECTORY: Final = 0x4000_0000

_READ_BYTES_MAX = 64 * 1024
_HEADER = struct.Struct("iIII")  # watch, mask, cookie, length of the name


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened to an entry of a watched directory, or (no name) to the directory itself."""

    watch: int
    mask: int
    name: str


class Inotify:
    """One queue of notices."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def add(self, path: str, mask: int) -> int:
        """Watch a path and return the watch's number; the same path has the same number.

        Raises:
            OSError: it is not there, may not be read, or there are too many watches.
        """
        return self._checked(self._libc.inotify_add_watch(self.fd, os.fsencode(path), mask))

    def remove(self, watch: int) -> None:
        """Watch no longer. Idempotent."""
        self._libc.inotify_rm_watch(self.fd, watch)

    def read(self) -> Iterator[Notice]:
        """Yield what waits in the queue."""
        try:
            content = os.read(self.fd, _READ_BYTES_MAX)
        except BlockingIOError:
            return
        while content:
            watch, mask, _, length = _HEADER.unpack_from(content)
            end = _HEADER.size + length
            name = content[_HEADER.size : end].rstrip(b"\0")
            yield Notice(watch, mask, os.fsdecode(name))
            content = content[end:]

    def close(self) -> None:
        """Give the queue back to the kernel."""
        os.close(self.fd)

    def _checked(self, result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result
