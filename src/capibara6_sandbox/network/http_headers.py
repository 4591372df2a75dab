"""Headers of HTTP messages that pass from one connection to another."""

from typing import Final

import h11

Headers = list[tuple[bytes, bytes]]
Message = h11.Request | h11.InformationalResponse | h11.Response
# RFC 9110, 7.6.1: of one connection, not of the next. Framing stays: h11 obeys it.
_HOP_BY_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization",
     b"proxy-connection", b"te", b"trailer", b"upgrade"}
)  # fmt: skip


def passing(message: Message) -> Headers:
    """Return the headers that are not of one connection alone, as they were spelled."""
    own = _HOP_BY_HOP | _tokens(message, b"connection")
    return [(n, v) for n, v in message.headers.raw_items() if n.lower() not in own]


def reply_headers(reply: h11.Response) -> Headers:
    """Return a reply's headers as the program gets them."""
    ends = reply.http_version < b"1.1" or b"close" in _tokens(reply, b"connection")
    return passing(reply) + ([(b"Connection", b"close")] if ends else [])


def upgrade(message: Message) -> Headers:
    """Return what asks for another protocol, or agrees to it; nothing if nobody does."""
    wanted = next((value for name, value in message.headers if name == b"upgrade"), b"")
    if not wanted or b"upgrade" not in _tokens(message, b"connection"):
        return []
    return [(b"Connection", b"Upgrade"), (b"Upgrade", wanted)]


def _tokens(message: Message, wanted: bytes) -> set[bytes]:
    values = (value for name, value in message.headers if name == wanted)
    return {token.strip().lower() for value in values for token in value.split(b",")}
