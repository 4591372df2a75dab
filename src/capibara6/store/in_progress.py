"""Which runs are under way in which platform, beside the database, where a killed one leaves it.

Each open store has a file that it locks while it lives, and a line there for every run before the
database hears of it. A file whose lock is free belongs to a platform that ended in the middle.
"""

import asyncio
import fcntl
import os
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_RUN = re.compile(r"[0-9a-f]{1,32}")
_SUFFIX = ".runs"
_TURN_POLL_S = 0.02


class InProgress:
    """The runs of one open store. Made by `open`."""

    def __init__(self, path: Path, fd: int) -> None:
        self._path = path
        self._fd = fd
        self._runs: set[str] = set()

    @classmethod
    async def open(cls, folder: Path) -> "InProgress":
        """Make the file of a new store.

        Args:
            folder: of all stores' files; made if missing.

        Raises:
            OSError: the disk refuses.
        """
        await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{secrets.token_hex(8)}{_SUFFIX}"
        async with _turn(folder):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            fd = os.open(path, flags, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX)
        return cls(path, fd)

    def begin(self, run_id: str) -> None:
        """Note a run, before it is stored.

        Raises:
            OSError: the disk refuses.
        """
        os.write(self._fd, f"\n{run_id}\n".encode())  # what came before may be half a line
        self._runs.add(run_id)

    def end(self, run_id: str) -> None:
        """Forget a run that is stored to its end."""
        self._runs.discard(run_id)
        if not self._runs:
            os.ftruncate(self._fd, 0)

    @asynccontextmanager
    async def abandoned(self) -> AsyncIterator[list[str]]:
        """Give the runs that ended platforms left; where the block ends well, they are forgotten.

        Whoever comes at the same time waits, and then finds none.
        """
        folder = self._path.parent
        async with _turn(folder):
            free = [path for path in folder.glob(f"*{_SUFFIX}") if _is_free(path)]
            lines = [line for path in free for line in path.read_text("ascii", "replace").split()]
            yield [line for line in lines if _RUN.fullmatch(line)]
            for path in free:
                path.unlink()

    def close(self) -> None:
        """Give up the file; runs that still stand in it are abandoned. Idempotent."""
        if self._fd < 0:
            return
        if not self._runs:
            self._path.unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = -1


@asynccontextmanager
async def _turn(folder: Path) -> AsyncIterator[None]:
    """Keep others from making or judging files."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        while not _lock(fd):  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(_TURN_POLL_S)
        yield
    finally:
        os.close(fd)


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_free(path: Path) -> bool:
    with path.open("rb") as file:
        return _lock(file.fileno())
