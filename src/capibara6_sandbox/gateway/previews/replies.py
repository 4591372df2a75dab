"""A service's reply, parsed as the untrusted data that it is."""

from typing import Final

import httptools
from starlette.types import Message

from capibara6_sandbox.gateway.previews.requests import Header, passing

HEAD_BYTES_MAX: Final = 256 * 1024
_SWITCHING: Final = 101
_FINAL_MIN: Final = 200
_STATUS_MAX: Final = 599
_NO_BODY: Final = frozenset({204, 304})


class ReplyError(Exception):
    """What the service sent is no HTTP reply, or not a whole one."""


class Reply:
    """Takes the bytes of one reply and gives its head and the pieces of its body.

    Args:
        method: of the request; a reply to HEAD has no body, whatever its head says.
    """

    def __init__(self, method: str) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._method = method
        self._head_bytes = 0
        self._raw_headers: list[Header] = []
        self._pieces: list[bytes] = []
        self.status = 0  # until the head is complete
        self.complete = False
        self.started = False  # whether the client has its head
        self.rest: bytes | None = None  # what followed a reply 101, in the other protocol

    def feed(self, data: bytes) -> list[bytes]:
        """Take what was received; return the pieces of the body in it.

        Raises:
            ReplyError: it is no HTTP, or has no end.
        """
        if not self.status:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.rest = data[upgrade.args[0] :]
        except httptools.HttpParserError as cause:
            if not self.complete:  # behind the end comes what is nobody's
                raise ReplyError(f"it is no HTTP ({cause})") from None
        if not self.status and self._head_bytes > HEAD_BYTES_MAX:
            raise ReplyError(f"its head is larger than {HEAD_BYTES_MAX:,} bytes")
        pieces, self._pieces = self._pieces, []
        return pieces

    def end(self, *, whole: bool) -> list[bytes]:
        """Take the end of the connection; `whole` says that the service itself ended it.

        Raises:
            ReplyError: the reply is not complete.
        """
        if not self.status:
            raise ReplyError("the connection ended before it")
        names = {name.lower() for name, _ in self._raw_headers}
        if not whole or names & {b"content-length", b"transfer-encoding"}:
            raise ReplyError("the connection ended within it")
        self.complete = True
        return []

    def start(self) -> Message:
        """Return the head as the client gets it (ASGI).

        The server says the date itself, and holds a reply to the length that it announces: one that
        tells the length of a body it does not have (304) must not.
        """
        self.started = True
        ours = {b"date", b"content-length"} if self.status in _NO_BODY else {b"date"}
        headers = [(n, v) for n, v in passing(self._raw_headers) if n.lower() not in ours]
        return {"type": "http.response.start", "status": self.status, "headers": headers}

    def switch(self) -> bytes:
        """Return the reply 101 as it came, and what followed it."""
        self.started = True
        lines = [b"%b: %b\r\n" % header for header in self._raw_headers]
        head = b"HTTP/1.1 101 Switching Protocols\r\n" + b"".join(lines) + b"\r\n"
        return head + (self.rest or b"")

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Forget the headers of an interim reply (1xx) before this one."""
        if not self.complete:
            self._raw_headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer, for which there is no place any more."""
        if not self.status:
            self._raw_headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Take the end of a head."""
        status = self._parser.get_status_code()
        if self.complete or (status < _FINAL_MIN and status != _SWITCHING):
            return
        if status > _STATUS_MAX:
            raise ReplyError(f"its status is {status}")
        self.status = status
        self.complete = self._method == "HEAD" or status in _NO_BODY

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body."""
        if not self.complete:
            self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """Take the end of a message."""
        self.complete = self.complete or bool(self.status)
