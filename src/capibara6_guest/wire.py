"""The frames between the gateway and the guest agent, and nothing else.

One stream connection carries one call. A frame is one byte of kind, four bytes of big-endian
length, and the payload:

    MESSAGE  a JSON object            call: {"op": str, ...arguments}; replies and events
    DATA     raw bytes                file contents, standard input
    END      empty                    the sender will send no more DATA

The caller sends one MESSAGE (the call), then DATA* END if the operation takes a body. The agent
answers with any number of MESSAGE (events) and DATA, and last exactly one MESSAGE that has the key
"done" (the result) or "error": {"code": str, "message": str}. Closing the connection early cancels
what the operation defines as cancellable.
"""

import asyncio
import json
import socket
import struct
from typing import Any, Final

MESSAGE: Final = 1
DATA: Final = 2
END: Final = 3

MESSAGE_BYTES_MAX: Final = 64 * 1024 * 1024
DATA_BYTES_MAX: Final = 64 * 1024
SEND_BUFFER_BYTES: Final = 512 * 1024  # Linux doubles it, for its own records

_HEADER = struct.Struct(">BI")
_LIMITS = {MESSAGE: MESSAGE_BYTES_MAX, DATA: DATA_BYTES_MAX, END: 0}


class FrameError(Exception):
    """The peer broke the framing; the connection is of no further use."""


class CallError(Exception):
    """An operation failed in a way that the caller may see.

    Args:
        code: a Connect RPC code: not_found, already_exists, invalid_argument, unauthenticated,
            permission_denied, resource_exhausted, failed_precondition, unavailable,
            deadline_exceeded, unimplemented, internal.
        message: what was wrong, with which value.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(f"{code}: {message}")


def make_room(writer: asyncio.StreamWriter) -> None:
    """Let the socket take several frames at once; what it does not take is copied twice more."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


def encode(kind: int, payload: bytes = b"") -> bytes:
    """Build one frame."""
    return _HEADER.pack(kind, len(payload)) + payload


def encode_message(message: dict[str, Any]) -> bytes:
    """Build one MESSAGE frame. Lone surrogates survive as JSON escapes.

    Raises:
        CallError: resource_exhausted when it is too large for one.
    """
    payload = json.dumps(message, separators=(",", ":")).encode("ascii")
    if len(payload) > MESSAGE_BYTES_MAX:
        text = f"a message of {len(payload)} bytes; the limit is {MESSAGE_BYTES_MAX}"
        raise CallError("resource_exhausted", text)
    return encode(MESSAGE, payload)


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes] | None:
    """Read one frame; None at a clean end of the stream.

    Raises:
        FrameError: unknown kind, a length beyond the kind's limit, or a stream cut inside a frame.
    """
    try:
        header = await reader.readexactly(_HEADER.size)
    except asyncio.IncompleteReadError as cut:
        if not cut.partial:
            return None
        raise FrameError("the stream was cut inside a frame header") from None
    kind, length = _HEADER.unpack(header)
    limit = _LIMITS.get(kind)
    if limit is None:
        raise FrameError(f"unknown frame kind {kind}")
    if length > limit:
        raise FrameError(f"a frame of kind {kind} announces {length} bytes; the limit is {limit}")
    try:
        return kind, await reader.readexactly(length) if length else b""
    except asyncio.IncompleteReadError:
        raise FrameError("the stream was cut inside a frame") from None


def decode_message(payload: bytes) -> dict[str, Any]:
    """Parse a MESSAGE payload.

    Raises:
        FrameError: it is not a JSON object.
    """
    try:
        message = json.loads(payload)
    except (ValueError, RecursionError) as cause:
        raise FrameError(f"a message that is not JSON: {cause}") from None
    if not isinstance(message, dict):
        raise FrameError("a message that is not a JSON object")
    return message
