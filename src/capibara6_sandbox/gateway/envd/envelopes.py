"""The framing of Connect's streams, with JSON messages and without compression.

A stream is a row of envelopes: one byte of flags, four bytes of big-endian length, a message. The
last one of a reply has the flag END and holds `{}` or `{"error"}`; a stream without it was cut.
https://connectrpc.com/docs/protocol/#streaming-rpcs
"""

import json
import struct
from collections.abc import AsyncIterator
from typing import Any

from capibara6_guest.wire import CallError
from capibara6_sandbox.gateway.envd.messages import Message, parse

MESSAGE_BYTES_MAX = 32 * 1024 * 1024
STREAM_TYPE = "application/connect+json"
COMPRESSED = 0b01
END = 0b10
_HEADER = struct.Struct(">BI")


def envelope(message: dict[str, Any], flags: int = 0) -> bytes:
    """Build one envelope."""
    payload = json.dumps(message, separators=(",", ":")).encode("ascii")
    return _HEADER.pack(flags, len(payload)) + payload


async def envelopes(chunks: AsyncIterator[bytes]) -> AsyncIterator[Message]:
    """Parse a streamed request body, wherever its chunks are cut.

    Raises:
        CallError: invalid_argument for a cut or compressed message, resource_exhausted for one of
            more than `MESSAGE_BYTES_MAX` bytes.
    """
    buffer = bytearray()
    async for chunk in chunks:
        buffer += chunk
        while len(buffer) >= _HEADER.size:
            flags, length = _HEADER.unpack_from(buffer)
            _check(flags, length)
            whole = _HEADER.size + length
            if len(buffer) < whole:
                break
            payload = bytes(buffer[_HEADER.size : whole])
            del buffer[:whole]
            if not flags & END:
                yield parse(payload)
    if buffer:
        raise CallError("invalid_argument", "the request was cut inside a message")


def too_large(length: int) -> CallError:
    """Return the error for a message of `length` bytes or more."""
    message = f"a message of {length} bytes or more; the limit is {MESSAGE_BYTES_MAX}"
    return CallError("resource_exhausted", message)


def _check(flags: int, length: int) -> None:
    if flags & COMPRESSED:
        raise CallError("invalid_argument", "compressed messages are not supported")
    if length > MESSAGE_BYTES_MAX:
        raise too_large(length)
