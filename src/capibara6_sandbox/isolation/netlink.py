"""Requests to the kernel over netlink, as bytes. Standard library only: the nursery imports this.

Sources: netlink(7), rtnetlink(7), linux/netfilter/nf_tables.h.
"""

import os
import socket
import struct
from typing import Final

REQUEST: Final = 1
ACKNOWLEDGE: Final = 4
CREATE: Final = 0x400
APPEND: Final = 0x800
NETFILTER: Final = 12  # the protocol of nf_tables

_NESTED: Final = 0x8000
_ERROR: Final = 2
_HEADER: Final = struct.Struct("=IHHII")
_TIMEOUT_S: Final = 10.0


def attribute(kind: int, data: bytes) -> bytes:
    """Return one attribute, padded."""
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """Return an attribute that holds others."""
    return attribute(kind | _NESTED, b"".join(attributes))


def message(kind: int, flags: int, body: bytes) -> bytes:
    """Return one message; its answer, if it asks for one, comes in order."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags | REQUEST, 0, 0) + body


def converse(protocol: int, messages: list[bytes]) -> None:
    """Send messages as one batch, and wait until the kernel has taken those that ask for it.

    Raises:
        OSError: it refused one.
    """
    awaited = sum(1 for sent in messages if _HEADER.unpack_from(sent)[2] & ACKNOWLEDGE)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as link:
        link.settimeout(_TIMEOUT_S)
        link.send(b"".join(messages))
        while awaited > 0:
            awaited -= _read_answers(link.recv(1 << 16))


def _read_answers(packet: bytes) -> int:
    count = 0
    while packet:
        length, kind = _HEADER.unpack_from(packet)[:2]
        if kind == _ERROR:
            (number,) = struct.unpack_from("=i", packet, _HEADER.size)
            if number:
                raise OSError(-number, f"netlink: {os.strerror(-number)}")
            count += 1
        packet = packet[(length + 3) & ~3 :]
    return count
