"""A descriptor that threads use for a task, which may be cancelled while one of them is at it."""

import os
import threading


class SharedDescriptor:
    """The descriptor of a file, closed once, when no thread is at it any more.

    A cancelled task does not end the thread that works for it. If the descriptor were closed then,
    the thread would read from, or write to, whatever was opened under the same number since.

    Args:
        fd: which; it is this object's from now on.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._at_it = 0
        self._closing = False
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """The length of the file, in bytes."""
        return os.fstat(self._fd).st_size

    def read(self, bytes_max: int) -> bytes:
        """Read; nothing once it was closed. Blocks: call it in a thread."""
        if not self._begin():
            return b""
        try:
            return os.read(self._fd, bytes_max)
        finally:
            self._end()

    def write(self, data: bytes) -> None:
        """Write all of it; nothing once it was closed. Blocks: call it in a thread.

        Raises:
            OSError: there is no room, or the disk fails.
        """
        if not self._begin():
            return
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]
        finally:
            self._end()

    def close(self) -> None:
        """Close it as soon as nobody is at it. Idempotent."""
        with self._lock:
            closing, self._closing = self._closing, True
            if closing or self._at_it:
                return
        os.close(self._fd)

    def _begin(self) -> bool:
        with self._lock:
            self._at_it += not self._closing
            return not self._closing

    def _end(self) -> None:
        with self._lock:
            self._at_it -= 1
            last = self._closing and not self._at_it
        if last:
            os.close(self._fd)
