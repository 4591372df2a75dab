"""One place in memory for a zygote's small objects, taken before it imports anything.

CPython takes memory for small objects from the system by the megabyte, whenever it needs more:
between the libraries that are loaded meanwhile, in pieces too small for huge pages (`pages`). Taken
at once, they lie side by side. Standard library only: zygotes import this.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# CPython's allocator, since 3.10; Objects/obmalloc.c. In another, nothing is gained or lost.
_ARENA_BYTES: Final = 1024 * 1024
_LARGEST_BYTES: Final = 512
_HALF: Final = _ARENA_BYTES // _LARGEST_BYTES // 2  # of the objects that an arena has room for


@contextmanager
def side_by_side(arenas: int) -> Iterator[None]:
    """Take so many arenas now, and give those back at the end in which nothing came to lie."""
    held = _take(arenas)
    try:
        yield
    finally:
        held.clear()


def _take(arenas: int) -> list[bytes]:
    """Fill arenas, and empty them again but for an object in each, without which it would go."""
    count = 2 * _HALF * arenas
    made: list[bytes | None] = [None] * count  # at once: a list that grows would lie in between
    size = _LARGEST_BYTES - bytes.__basicsize__
    for number in range(count):
        made[number] = bytes(size)
    return [held for held in made[::_HALF] if held is not None]
