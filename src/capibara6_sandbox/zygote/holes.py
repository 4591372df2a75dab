"""The holes in a process's memory, filled before it is forked.

Python puts a new object where one of its size was freed last. After a long start such places lie
all over the heap, and a fork gets a copy of a whole page for each one that it writes to. Once they
are taken, a fork's objects lie side by side in pages of their own: half a megabyte less for each
sandbox, for some megabytes once. Standard library only: zygotes import this.
"""

from collections.abc import Iterator
from typing import Final

# What CPython's allocator takes from the system and gives out, since 3.10; Objects/obmalloc.c
_POOL_BYTES: Final = 16 * 1024
_POOL_HEADER_BYTES: Final = 48
_STEP_BYTES: Final = 16
_LARGEST_BYTES: Final = 512

# Of each size: an allocator that never gives neighbours one after the other is left alone.
FILLING_BYTES_MAX: Final = 4 * 1024 * 1024

_BYTES_HEADER_BYTES: Final = bytes.__basicsize__
_filling: list[list[object]] = []  # for good


def fill() -> int:
    """Take every free place in this process's pools of small objects; return their bytes.

    Collect garbage first, which gives back what Python keeps for tuples, floats and frames.
    """
    sizes = range(_STEP_BYTES, _LARGEST_BYTES + 1, _STEP_BYTES)
    taken = [list(_objects_until_a_new_pool(size)) for size in sizes]
    _filling.extend(taken)
    return sum(size * len(objects) for size, objects in zip(sizes, taken, strict=True))


def _objects_until_a_new_pool(size: int) -> Iterator[object]:
    """Yield new objects of `size` bytes, until they have filled a pool from end to end."""
    in_a_row = (_POOL_BYTES - _POOL_HEADER_BYTES) // size - 1
    neighbours, last = 0, 0
    for _ in range(FILLING_BYTES_MAX // size):
        if neighbours == in_a_row:
            return
        made = _object(size)
        yield made
        neighbours = neighbours + 1 if id(made) == last + size else 0
        last = id(made)


def _object(size: int) -> object:
    """Return a new object of `size` bytes, which the garbage collector has no header for."""
    if size == _STEP_BYTES:
        return object()
    if size < _BYTES_HEADER_BYTES:
        return complex(size, size)
    return bytes(size - _BYTES_HEADER_BYTES)
