"""A client's request as the service inside the sandbox gets it: one request, one connection."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from starlette.types import Receive, Scope

from capibara6_sandbox.gateway.previews.pages import TOKEN_HEADER
from capibara6_sandbox.host.tunnels import Tunnel

Header = tuple[bytes, bytes]

# RFC 9110, 7.6.1: of this connection, not of the next. `Expect` was answered by the server.
HOP_BY_HOP: Final = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization",
        b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
_OURS: Final = frozenset({b"host", b"expect", b"forwarded", TOKEN_HEADER.encode()})
_PORT_PLACEHOLDER: Final = "${PORT}"  # in a masked host


@dataclass(frozen=True, slots=True)
class PreviewRequest:
    """The head of a request, as the service gets it."""

    head: bytes
    method: str
    chunked: bool  # whether a body follows whose length nobody has told
    upgrade: bytes  # the protocol that the client wants to go on with; b"" for none


def preview_request(scope: Scope, port: int, mask_host: str) -> PreviewRequest:
    """Build the head of the service's request.

    Args:
        scope: of the client's request.
        port: the service's.
        mask_host: what the service sees as Host, with ${PORT} for the port; "" for what came.
    """
    headers: list[Header] = scope["headers"]
    upgrade = _upgrade(headers)
    chunked = any(name == b"transfer-encoding" for name, _ in headers)
    lines = [_request_line(scope)]
    lines += (_line(name, value) for name, value in _own_headers(scope, port, mask_host))
    lines += (_line(name, value) for name, value in passing(headers) if not _is_ours(name))
    if chunked:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    if upgrade:
        lines.append(b"Connection: Upgrade\r\nUpgrade: " + upgrade + b"\r\n")
    else:
        lines.append(b"Connection: close\r\n")
    return PreviewRequest(b"".join([*lines, b"\r\n"]), scope["method"], chunked, upgrade)


def passing(headers: Iterable[Header]) -> list[Header]:
    """Return the headers that are not of one connection alone."""
    kept = list(headers)
    named = {
        token.strip().lower()
        for name, value in kept
        if name.lower() == b"connection"
        for token in value.split(b",")
    }
    return [(name, value) for name, value in kept if name.lower() not in HOP_BY_HOP | named]


async def send_body(receive: Receive, tunnel: Tunnel, *, chunked: bool) -> None:
    """Pass a request's body on; return when the client has left.

    A service that takes no more of it may still reply; so this is no error here.
    """
    taken = True
    while (message := await receive())["type"] == "http.request":
        piece = message.get("body", b"")
        if chunked:
            end = b"" if message.get("more_body", False) else b"0\r\n\r\n"
            piece = (b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b"") + end
        if piece and taken:
            try:
                await tunnel.send(piece)
            except OSError:
                taken = False


def _request_line(scope: Scope) -> bytes:
    query: bytes = scope["query_string"]
    target: bytes = scope["raw_path"] + (b"?" + query if query else b"")
    return b"%b %b HTTP/1.1\r\n" % (scope["method"].encode(), target)


def _own_headers(scope: Scope, port: int, mask_host: str) -> list[Header]:
    """Return what the gateway says in the client's place: nobody else is to be believed here."""
    asked = next((value for name, value in scope["headers"] if name == b"host"), b"")
    host = mask_host.replace(_PORT_PLACEHOLDER, str(port)).encode() if mask_host else asked
    client = scope.get("client")
    own = [(b"host", host), (b"x-forwarded-host", asked)]
    own.append((b"x-forwarded-proto", scope["scheme"].encode()))
    if client:
        own.append((b"x-forwarded-for", client[0].encode()))
    return own


def _is_ours(name: bytes) -> bool:
    return name in _OURS or name.startswith(b"x-forwarded-")


def _line(name: bytes, value: bytes) -> bytes:
    """Write a header in the spelling that all services know: names came in lower case."""
    return b"%b: %b\r\n" % (name.title(), value)


def _upgrade(headers: list[Header]) -> bytes:
    tokens = {
        token.strip().lower()
        for name, value in headers
        if name == b"connection"
        for token in value.split(b",")
    }
    if b"upgrade" not in tokens:
        return b""
    return next((value for name, value in headers if name == b"upgrade"), b"")
