"""Closing asynchronous iterators in time. Owns no meaning."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

Item = TypeVar("Item")


@asynccontextmanager
async def closed_after(items: AsyncIterator[Item]) -> AsyncIterator[AsyncIterator[Item]]:
    """Close `items` at the end of the block, if they can be closed.

    Ports promise an `AsyncIterator`; those that hold something (a sandbox, a connection) are
    generators, which let go of it in `aclose`, now and not when garbage is collected.
    """
    try:
        yield items
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()
