"""Request bodies, decoded as they arrive: gzip, and the parts of a form. Nothing is held whole."""

import zlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from capibara6_guest.wire import CallError

PIECE_BYTES_MAX = 256 * 1024
_HEADER_BYTES_MAX = 16 * 1024  # with the longest path there can be, percent-encoded
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class PartStart:
    """A part begins: the form field's name, and the file's if it has one."""

    name: str
    filename: str | None


@dataclass(frozen=True, slots=True)
class PartEnd:
    """A part is complete."""


PartEvent = PartStart | bytes | PartEnd


async def gunzipped(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Decompress gzip in pieces of bounded size, however much a chunk unpacks to.

    Raises:
        CallError: invalid_argument when it is not gzip, or cut.
    """
    unpacker = zlib.decompressobj(_GZIP)
    async for chunk in chunks:
        rest = chunk
        while rest:
            if unpacker.eof:  # several compressed parts in a row are one file
                unpacker = zlib.decompressobj(_GZIP)
            try:
                piece = unpacker.decompress(rest, PIECE_BYTES_MAX)
            except zlib.error as cause:
                message = f"error decompressing request body: {cause}"
                raise CallError("invalid_argument", message) from None
            if piece:
                yield piece
            rest = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    if not unpacker.eof:
        raise CallError("invalid_argument", "error decompressing request body: it is cut")


async def form_parts(content_type: str, chunks: AsyncIterator[bytes]) -> AsyncIterator[PartEvent]:
    """Parse multipart/form-data: for each part its start, its data in pieces, its end.

    Raises:
        CallError: invalid_argument for a malformed or cut form.
    """
    events = _FormEvents()
    try:
        parser = events.parser(content_type)
        async for chunk in chunks:
            parser.write(chunk)
            while events.queue:
                yield events.queue.popleft()
    except FormParserError as cause:
        raise CallError("invalid_argument", f"error reading form: {cause}") from None
    if not events.complete:
        raise CallError("invalid_argument", "error reading form: it is cut")


class _FormEvents:
    """Collects what the parser calls back with, for one chunk at a time."""

    def __init__(self) -> None:
        self.queue: deque[PartEvent] = deque()
        self.complete = False
        self._headers: dict[bytes, bytes] = {}
        self._field = b""
        self._value = b""

    def parser(self, content_type: str) -> MultipartParser:
        """Return a parser that reports here."""
        _, options = parse_options_header(content_type)
        if not options.get(b"boundary"):
            raise CallError("invalid_argument", "error parsing multipart form: no boundary")
        callbacks = {
            "on_part_begin": self._headers.clear,
            "on_header_field": self._add_field,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._start_part,
            "on_part_data": self._add_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }
        return MultipartParser(
            options[b"boundary"],
            callbacks,  # type: ignore[arg-type]
            max_header_size=_HEADER_BYTES_MAX,
        )

    def _add_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _start_part(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        filename = options.get(b"filename")
        self.queue.append(
            PartStart(
                options.get(b"name", b"").decode("utf-8", "replace"),
                None if filename is None else filename.decode("utf-8", "surrogateescape"),
            )
        )

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self.queue.append(data[start:end])

    def _end_part(self) -> None:
        self.queue.append(PartEnd())

    def _end(self) -> None:
        self.complete = True
