"""Removing a folder that hostile programs have filled, and may be filling still.

However deep it is: a folder below the top one is moved up to it before what is in it is looked at,
so that no more than two are open at a time and nothing is called within itself. No link is
followed. All of it blocks: call it in a thread.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

REMOVED_MAX: Final = 100_000_000  # entries; who goes on adding to a folder keeps it
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(parent: int, name: str) -> None:
    """Remove the folder `name` of the folder that the descriptor `parent` leads to.

    Raises:
        OSError: a mode does not let us in, the disk fails, or somebody keeps adding to it.
    """
    left = REMOVED_MAX
    with _opened(parent, name) as top:
        while folders := list(_cleared(top)):
            for folder in folders:
                with suppress(FileNotFoundError, NotADirectoryError):  # moved or replaced meanwhile
                    left -= _flatten(top, folder)
            if left < 0:
                raise OSError(errno.ENOTEMPTY, f"more than {REMOVED_MAX:,} entries were removed")
    os.rmdir(name, dir_fd=parent)


def _flatten(top: int, name: str) -> int:
    """Remove the folder `name` of `top`, and move those in it to `top`; return how many."""
    moved = 0
    with _opened(top, name) as folder:
        for inner in _cleared(folder):
            with suppress(FileNotFoundError):
                os.rename(inner, f".{secrets.token_hex(8)}", src_dir_fd=folder, dst_dir_fd=top)
            moved += 1
    with _ignored(errno.ENOTEMPTY):  # something was added meanwhile: the next round sees it
        os.rmdir(name, dir_fd=top)
    return moved + 1


def _cleared(folder: int) -> Iterator[str]:
    """Remove what is no folder from one; yield the names of those that are."""
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):
            if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                yield name
            else:
                with _ignored(errno.EISDIR):
                    os.unlink(name, dir_fd=folder)


@contextmanager
def _opened(parent: int, name: str) -> Iterator[int]:
    fd = os.open(name, _FOLDER, dir_fd=parent)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _ignored(number: int) -> Iterator[None]:
    try:
        yield
    except OSError as cause:
        if cause.errno != number:
            raise
