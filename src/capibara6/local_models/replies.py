"""Reading what a model's process answers: bounded, and as data.

A hostile model file may have taken the process over, so nothing that it sends is kept without end:
no line, no body, no stream. Bodies are read as they come, not unpacked.
"""

import json
from collections.abc import AsyncGenerator
from typing import Any, Final

import httpx

LINE_BYTES_MAX: Final = 1_000_000
STREAM_BYTES_MAX: Final = 64 * 1024 * 1024  # some 250 bytes a token
BODY_BYTES_MAX: Final = 64 * 1024


class Nonsense(ValueError):  # noqa: N818 - told as the process breaking off
    """What the process sends is not what llama.cpp's server sends."""


async def lines(reply: httpx.Response) -> AsyncGenerator[str, None]:
    """The lines of a stream.

    Raises:
        Nonsense: a line, or all of them, are too long.
    """
    left, taken = b"", 0
    async for piece in reply.aiter_raw():
        taken += len(piece)
        *whole, left = (left + piece).split(b"\n")
        if taken > STREAM_BYTES_MAX or len(left) > LINE_BYTES_MAX:
            raise Nonsense("its stream has no end")
        for line in whole:
            yield line.rstrip(b"\r").decode(errors="replace")


async def body(reply: httpx.Response) -> bytes:
    """The first bytes of a body; what comes after is not waited for."""
    taken = b""
    async for piece in reply.aiter_raw():
        taken += piece
        if len(taken) >= BODY_BYTES_MAX:
            break
    return taken[:BODY_BYTES_MAX]


async def fact(reply: httpx.Response, name: str) -> int:
    """A count in a JSON object.

    Raises:
        Nonsense: it holds none.
    """
    try:
        found = json.loads(await body(reply))
        return int(found[name])
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        raise Nonsense(f"its answer holds no {name}") from None


def report(line: bytes) -> dict[str, Any]:
    """What the process says of itself on a line, before it serves.

    Raises:
        Nonsense: it is no report.
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("walls", []), list):
        raise Nonsense("its report is none")
    return found
