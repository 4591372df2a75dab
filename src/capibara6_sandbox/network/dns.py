"""Messages of the domain name system, as far as a forwarder needs them (RFC 1035).

What comes from a sandbox or a name server is data that may be anything: every function here
returns or raises `MalformedError`, and no loop runs longer than the message.
"""

import socket
import struct
from typing import Final, NamedTuple

TYPE_A: Final = 1
TYPE_AAAA: Final = 28
SERVER_FAILURE: Final = 2
REFUSED: Final = 5
MESSAGE_BYTES_MAX: Final = 65_535

_HEADER: Final = struct.Struct(">6H")
_RESPONSE, _RECURSION = 0x8000, 0x0180  # desired and available
_NAME_BYTES_MAX: Final = 255
_JUMPS_MAX: Final = 32
_TTL_S: Final = 60


class MalformedError(ValueError):
    """A message that is none."""


class Question(NamedTuple):
    """What is asked, and where in the message the question ends."""

    id: int
    name: str
    type: int
    end: int


def read_question(message: bytes) -> Question:
    """Read the one question of a query.

    Raises:
        MalformedError: it is no query, or asks several things at once.
    """
    if len(message) < _HEADER.size:
        raise MalformedError("shorter than a header")
    number, flags, questions = _HEADER.unpack_from(message)[:3]
    if flags & _RESPONSE or questions != 1:
        raise MalformedError("not one question")
    name, end = _read_name(message, _HEADER.size)
    if end + 4 > len(message):
        raise MalformedError("the question is cut off")
    kind = struct.unpack_from(">H", message, end)[0]
    return Question(number, name, kind, end + 4)


def _read_name(message: bytes, at: int) -> tuple[str, int]:
    labels: list[str] = []
    end, jumps, size = 0, 0, 0
    while True:
        if at >= len(message):
            raise MalformedError("a name is cut off")
        length = message[at]
        if length >= 0xC0:
            jumps += 1
            if at + 1 >= len(message) or jumps > _JUMPS_MAX:
                raise MalformedError("a name leads nowhere")
            end = end or at + 2
            at = (length & 0x3F) << 8 | message[at + 1]
            continue
        if length == 0:
            return ".".join(labels), end or at + 1
        size += length + 1
        if length > 63 or size > _NAME_BYTES_MAX or at + 1 + length > len(message):
            raise MalformedError("a label is too long")
        # A dot within a label would read like two labels.
        labels.append(message[at + 1 : at + 1 + length].decode("latin-1").replace(".", "\\."))
        at += 1 + length


def query(number: int, name: str) -> bytes:
    """Return a query for the IPv4 addresses of a name.

    Raises:
        MalformedError: it is no name.
    """
    try:
        labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    except UnicodeEncodeError:
        raise MalformedError(f"not ASCII: {name!r}") from None
    if any(not 0 < len(label) < 64 for label in labels) or len(name) > _NAME_BYTES_MAX - 2:
        raise MalformedError(f"no name: {name[:80]!r}")
    packed = b"".join(bytes([len(label)]) + label for label in labels)
    header = _HEADER.pack(number, 0x0100, 1, 0, 0, 0)
    return header + packed + b"\0" + struct.pack(">2H", TYPE_A, 1)


def read_addresses(message: bytes) -> list[str]:
    """Return the IPv4 addresses of a reply.

    Raises:
        MalformedError: it is no reply.
    """
    if len(message) < _HEADER.size:
        raise MalformedError("shorter than a header")
    _, flags, questions, answers = _HEADER.unpack_from(message)[:4]
    if not flags & _RESPONSE or questions > 1:
        raise MalformedError("not a reply")
    at = _read_name(message, _HEADER.size)[1] + 4 if questions else _HEADER.size
    found = []
    for _ in range(answers):
        at = _read_name(message, at)[1]
        if at + 10 > len(message):
            raise MalformedError("an answer is cut off")
        kind, _, _, length = struct.unpack_from(">HHIH", message, at)
        at += 10
        if at + length > len(message):
            raise MalformedError("an answer is cut off")
        if kind == TYPE_A and length == 4:
            found.append(socket.inet_ntoa(message[at : at + 4]))
        at += length
    return found


def reply(message: bytes, question: Question, code: int = 0, address: str = "") -> bytes:
    """Return an answer to a query: a code, or an address, or that there is none."""
    record = b""
    if address:
        where = struct.pack(">HHHIH", 0xC000 | _HEADER.size, TYPE_A, 1, _TTL_S, 4)
        record = where + socket.inet_aton(address)
    flags = _RESPONSE | _RECURSION | code
    header = _HEADER.pack(question.id, flags, 1, 1 if record else 0, 0, 0)
    return header + message[_HEADER.size : question.end] + record
