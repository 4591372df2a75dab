"""Sending a file of a volume, in pieces, and never more of it than was announced."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from capibara6_sandbox.errors import BadRequestError
from capibara6_sandbox.gateway.envd.downloads import SENT_BYTES_MAX
from capibara6_sandbox.host.shared_descriptor import SharedDescriptor

_PIECE_BYTES: Final = 256 * 1024
_MEDIA_TYPE: Final = "application/octet-stream"


def reply(request: Request, path: str, file: SharedDescriptor) -> Response:
    """Return the reply to a request for a file, which it closes.

    Raises:
        BadRequestError: it is longer than any disk: sandboxes make files of holes, of exbibytes.
    """
    size = file.size
    if request.method == "HEAD":  # without reading what nobody is sent
        file.close()
        return Response(headers={"Content-Length": str(size)}, media_type=_MEDIA_TYPE)
    if size > SENT_BYTES_MAX:
        file.close()
        raise BadRequestError(
            f"path {path!r}: {size:,} bytes are more than the {SENT_BYTES_MAX:,} that are sent at "
            "once. Shorten it with `truncate` in a sandbox that has the volume."
        )
    return _Download(file, size)


class _Download(StreamingResponse):
    """A reply that closes its file, also when nobody hears its first byte."""

    def __init__(self, file: SharedDescriptor, size: int) -> None:
        headers = {"Content-Length": str(size)}
        super().__init__(_pieces(file, size), headers=headers, media_type=_MEDIA_TYPE)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


async def _pieces(file: SharedDescriptor, size: int) -> AsyncIterator[bytes]:
    """Yield as many bytes of a file as were announced, whatever is written meanwhile."""
    while size > 0:
        piece = await asyncio.to_thread(file.read, min(size, _PIECE_BYTES))
        if not piece:
            return
        size -= len(piece)
        yield piece
