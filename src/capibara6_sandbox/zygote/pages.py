"""Huge pages for a zygote's memory, so that its forks start and end with less work.

A fork copies an entry for every small page of anonymous memory, and its end drops each of them
again; a huge page counts as one. A fork that writes to one gets a copy of the small page it wrote
to, as before. Standard library only: zygotes import this.
"""

import ctypes
from collections.abc import Iterator
from typing import Final

_HUGE_PAGE_BYTES: Final = 2 * 1024 * 1024
_MADV_COLLAPSE: Final = 25  # since Linux 6.1; madvise(2)

_libc = ctypes.CDLL(None, use_errno=True)


def gather() -> int:
    """Collapse this process's anonymous memory into huge pages; return how many were made.

    The kernel may refuse any of it (too old, huge pages turned off, nothing there): forks then take
    longer, and nothing else changes.
    """
    return sum(_collapse(address) for address in _candidates())


def _collapse(address: int) -> bool:
    start, length = ctypes.c_void_p(address), ctypes.c_size_t(_HUGE_PAGE_BYTES)
    return int(_libc.madvise(start, length, _MADV_COLLAPSE)) == 0


def _candidates() -> Iterator[int]:
    """Yield the address of every whole huge page in writable private anonymous memory."""
    with open("/proc/self/maps") as maps:
        lines = maps.read().splitlines()
    for line in lines:
        span, permissions, _, _, inode, *_ = line.split()
        if permissions == "rw-p" and inode == "0":  # no file's
            start, end = (int(address, 16) for address in span.split("-"))
            first = -(-start // _HUGE_PAGE_BYTES) * _HUGE_PAGE_BYTES
            yield from range(first, end - _HUGE_PAGE_BYTES + 1, _HUGE_PAGE_BYTES)
