"""What fuzzing calls: each target is a function of bytes, with seeds that lead deep into it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

Function = Callable[[bytes], None]


@dataclass(frozen=True)
class Target:
    """One parser."""

    run: Function
    seeds: tuple[bytes, ...]


TARGETS: dict[str, Target] = {}


def target(*seeds: bytes) -> Callable[[Function], Function]:
    def register(function: Function) -> Function:
        TARGETS[function.__name__] = Target(function, (*seeds, b""))
        return function

    return register


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    """Give bytes in pieces whose size the first byte says."""
    size = 1 + (data[0] if data else 0)
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def _all(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


def _text(data: bytes) -> str:
    return data.decode("latin-1")
