"""Sending a file out of a sandbox: whole, a range of it, or compressed. Never held whole."""

import mimetypes
import re
import zlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from email.utils import formatdate
from typing import Any, Final
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from capibara6_guest.wire import CallError
from capibara6_sandbox.gateway.connections import cut
from capibara6_sandbox.gateway.envd.disconnects import unless_disconnected
from capibara6_sandbox.gateway.envd.errors import (
    files_error_response,
    plain_error_response,
    sandbox_lost_response,
)
from capibara6_sandbox.gateway.envd.sandbox import EnvdSandbox
from capibara6_sandbox.host.guest_client import GuestLostError

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
# No disk of a sandbox holds so much: beyond are holes, of which programs can make exbibytes.
SENT_BYTES_MAX: Final = 1 << 40
_SECONDS_MAX = 253_402_300_799
_GZIP = 16 + zlib.MAX_WBITS
_GZIP_LEVEL = 1  # the connection is rarely slower than a better compression would be


class Download:
    """The reply that sends one file, as an ASGI application.

    Args:
        sandbox: where it is.
        user: who reads it.
        path: as the client named it.
        byte_range: first byte (negative: counted from the end) and number of bytes, or None.
        gzip: whether to compress it.
    """

    def __init__(
        self,
        sandbox: EnvdSandbox,
        user: str,
        path: str,
        byte_range: tuple[int, int | None] | None,
        *,
        gzip: bool,
    ) -> None:
        self._sandbox = sandbox
        self._user = user
        self._path = path
        self._range = byte_range
        self._gzip = gzip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file; a sandbox or file that ends too early cuts the connection."""
        work = self._answer(scope, receive, send)
        try:
            await unless_disconnected(receive, work)
        except ClientDisconnect:
            return

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        start, length = self._range or (0, None)
        arguments = {"user": self._user, "path": self._path, "start": start, "length": length}
        started = False
        try:
            async with (
                self._sandbox.guest.call("files.read", **arguments) as call,
                aclosing(call.events()) as events,
            ):
                found = _found(await anext(events, None))
                if self._range and found["start"] >= found["size"]:
                    await _unsatisfiable(found["size"])(scope, receive, send)
                    return
                if scope["method"] != "HEAD" and (found["length"] or 0) > SENT_BYTES_MAX:
                    await self._failed(_too_long(self._path, found["length"]))(scope, receive, send)
                    return
                started = True
                await self._start(found, send)
                if scope["method"] == "HEAD":
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                else:
                    await self._send_body(events, found["length"], send)
        except (CallError, GuestLostError) as failure:
            if started:
                cut(scope)
            else:
                await self._failed(failure)(scope, receive, send)

    def _failed(self, failure: CallError | GuestLostError) -> Response:
        if isinstance(failure, CallError):
            return files_error_response(failure)
        return sandbox_lost_response(self._sandbox.id)

    async def _start(self, found: dict[str, Any], send: Send) -> None:
        headers = Headers(self._headers(found))
        status = 206 if self._range else 200
        await send({"type": "http.response.start", "status": status, "headers": headers.raw})

    def _headers(self, found: dict[str, Any]) -> dict[str, str]:
        name = self._path.rstrip("/").rpartition("/")[2]
        headers = {
            "content-type": mimetypes.guess_type(name)[0] or "application/octet-stream",
            "content-disposition": f"inline; filename*=UTF-8''{quote(name, errors='replace')}",
            "x-content-type-options": "nosniff",
            # A page that a sandbox made must not run as one of the server's own name.
            "content-security-policy": "sandbox",
            "last-modified": formatdate(_seconds(found["modified_ns"]), usegmt=True),
            "accept-ranges": "bytes",
            "vary": "Accept-Encoding",
        }
        if self._gzip:
            headers["content-encoding"] = "gzip"
        elif found["length"] is not None:
            headers["content-length"] = str(found["length"])
        if self._range:
            last = found["start"] + found["length"] - 1
            headers["content-range"] = f"bytes {found['start']}-{last}/{found['size']}"
        return headers

    async def _send_body(
        self, events: AsyncIterator[dict[str, Any] | bytes], length: int | None, send: Send
    ) -> None:
        packer = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP) if self._gzip else None
        sent = 0
        # With its last byte the reply is over for the client, who may ask the next thing on this
        # connection: it must not be cut by what becomes of the sandbox after that.
        while length is None or sent < length:
            piece = await anext(events, None)
            if piece is None:
                break
            if not isinstance(piece, bytes):
                raise GuestLostError("the agent sent something else than the file")
            sent += len(piece)
            body = packer.compress(piece) if packer else piece
            await send({"type": "http.response.body", "body": body, "more_body": True})
        if length is not None and sent != length:
            raise GuestLostError(f"the file has become shorter: {sent} of {length} bytes")
        body = packer.flush() if packer else b""
        await send({"type": "http.response.body", "body": body, "more_body": False})


def parse_range(header: str | None) -> tuple[int, int | None] | None:
    """Parse a Range header: first byte (negative: from the end) and number of bytes.

    None for no range, and for what may be ignored: another unit, several ranges, nonsense.
    """
    match = _RANGE.fullmatch((header or "").replace(" ", ""))
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        return (-int(last), None) if int(last) else None
    if not last:
        return int(first), None
    return (int(first), int(last) - int(first) + 1) if int(last) >= int(first) else None


def _found(event: dict[str, Any] | bytes | None) -> dict[str, Any]:
    if isinstance(event, dict):
        length = event.get("length")
        numbers = [event.get(name) for name in ("size", "start", "modified_ns")]
        if all(isinstance(number, int) for number in numbers) and isinstance(length, int | None):
            return event
    raise GuestLostError("the agent did not say what it reads")


def _too_long(path: str, length: int) -> CallError:
    return CallError(
        "invalid_argument",
        f"cannot read '{path}': {length:,} bytes are more than the {SENT_BYTES_MAX:,} that are "
        "sent at once. Ask for a part of it (Range), or shorten it with `truncate`.",
    )


def _seconds(time_ns: int) -> int:
    """Return a moment that HTTP can tell: the nearest one from 1970 to 9999."""
    return min(max(time_ns // 1_000_000_000, 0), _SECONDS_MAX)


def _unsatisfiable(size: int) -> Response:
    response = plain_error_response(416, f"the file has only {size} bytes")
    response.headers["content-range"] = f"bytes */{size}"
    return response
