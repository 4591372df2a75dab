"""Fewer mappings of libraries in a zygote, so that its forks start and end with less work.

A fork copies a record for each mapping, and its end takes each apart; a library has five: its
headers, code, constants, what the loader made read-only (RELRO), and variables. Those that differ
in their rights alone become two: the first three may be executed, the last two written. Nothing is
lost by it that walls stand on: what runs in a kernel is its user's to begin with, code and memory.
Standard library only: zygotes import this.
"""

import ctypes
import mmap
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

_CODE: Final = mmap.PROT_READ | mmap.PROT_EXEC
_VARIABLES: Final = mmap.PROT_READ | mmap.PROT_WRITE

_libc = ctypes.CDLL(None, use_errno=True)


class Mapping(NamedTuple):
    """A line of /proc/PID/maps."""

    start: int
    end: int
    permissions: str
    file: tuple[str, str]  # its device and number
    offset: int

    def goes_on_in(self, later: "Mapping") -> bool:
        """Whether `later` maps what follows in the same file, right behind."""
        length = self.end - self.start
        return (later.start, later.file, later.offset) == (
            self.end,
            self.file,
            self.offset + length,
        )


def merge() -> int:
    """Give mappings of a library the rights of their neighbours; return how many got them.

    The kernel may refuse any of it: forks then take longer, and nothing else changes.
    """
    return sum(_protect(mapping, rights) for mapping, rights in mergeable(_mappings()))


def mergeable(mappings: Iterable[Mapping]) -> list[tuple[Mapping, int]]:
    """Return which mappings could be one with a neighbour, and the rights they need for it."""
    found: list[tuple[Mapping, int]] = []
    for mapping, later in pairwise(mappings):
        if mapping.file[1] == "0" or not mapping.goes_on_in(later):
            continue
        match mapping.permissions, later.permissions:
            case "r--p", "r-xp":
                found.append((mapping, _CODE))
            case "r-xp", "r--p":
                found.append((later, _CODE))
            case "r--p", "rw-p":
                found.append((mapping, _VARIABLES))
    return found


def _mappings() -> list[Mapping]:
    return [parse(line) for line in Path("/proc/self/maps").read_text().splitlines()]


def parse(line: str) -> Mapping:
    """Read a line of /proc/PID/maps."""
    span, permissions, offset, device, number, *_ = line.split()
    start, end = (int(address, 16) for address in span.split("-"))
    return Mapping(start, end, permissions, (device, number), int(offset, 16))


def _protect(mapping: Mapping, rights: int) -> bool:
    start = ctypes.c_void_p(mapping.start)
    length = ctypes.c_size_t(mapping.end - mapping.start)
    return int(_libc.mprotect(start, length, rights)) == 0
