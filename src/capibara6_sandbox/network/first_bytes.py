"""The name that a connection's first bytes tell: TLS's server name, or HTTP's Host.

Both functions take what has come so far; None means that more is needed, "" that there is none.
"""

import struct
from typing import Final

BYTES_MAX: Final = 16 * 1024
_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME = 22, 1, 0


def told_name(port: int, data: bytes) -> str | None:
    """Return the name, by the protocol that a port stands for."""
    name = _server_name(data) if port == 443 else _host(data)
    return "" if name is None and len(data) >= BYTES_MAX else name


def _host(data: bytes) -> str | None:
    head, ended, _ = data.partition(b"\r\n\r\n")
    if not ended:
        return None
    hosts = [line[5:].strip() for line in head.split(b"\r\n")[1:] if line[:5].lower() == b"host:"]
    if len(hosts) != 1:  # two of them would be read differently by different servers
        return ""
    text = hosts[0].decode("latin-1")
    return text.rpartition(":")[0] if ":" in text else text


def _server_name(data: bytes) -> str | None:
    if data[:1] and data[0] != _HANDSHAKE:
        return ""
    hello = _handshake(data)
    if hello is None:
        return None
    try:
        return _name_in(hello)
    except (IndexError, struct.error, UnicodeDecodeError):
        return ""


def _handshake(data: bytes) -> bytes | None:
    """Join the records of the first handshake message; None while it is not whole."""
    joined, at = b"", 0
    while at + 5 <= len(data) and data[at] == _HANDSHAKE:
        length = int.from_bytes(data[at + 3 : at + 5])
        joined += data[at + 5 : at + 5 + length]
        at += 5 + length
        if len(joined) >= 4 and len(joined) >= 4 + int.from_bytes(joined[1:4]):
            return joined
    return None


def _name_in(hello: bytes) -> str:
    if hello[0] != _CLIENT_HELLO:
        return ""
    at = 4 + 2 + 32  # header, version, random
    at += 1 + hello[at]  # session
    at += 2 + int.from_bytes(hello[at : at + 2])  # ciphers
    at += 1 + hello[at]  # compressions
    end = at + 2 + int.from_bytes(hello[at : at + 2])
    at += 2
    while at + 4 <= min(end, len(hello)):
        kind, length = struct.unpack_from(">HH", hello, at)
        at += 4
        if kind == _SERVER_NAME:
            name_length = int.from_bytes(hello[at + 3 : at + 5])
            return hello[at + 5 : at + 5 + name_length].decode("ascii")
        at += length
    return ""
