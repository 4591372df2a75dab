"""What a kernel's process prints: pipes read as E2B events, with bounded memory."""

import asyncio
import codecs
import contextlib
import os
from datetime import UTC, datetime
from typing import Any, Final, Literal

# At least what a pipe holds (64 KiB): one read then gets all that was written before a given time.
READ_BYTES_MAX: Final = 128 * 1024
TEXT_CHARS_MAX: Final = 64 * 1024
COALESCE_S: Final = 0.01
IDLE_BYTES_MAX: Final = 64 * 1024


class OutputPipe:
    """One output stream of a kernel.

    While a cell runs, `fill` and `take` are called in turn: what is not taken is not read, so that
    a slow consumer slows the program down. Between cells `start_idling` keeps reading, so that a
    program left in the background never blocks on its output; the end of that is kept for the
    next cell.

    Args:
        fd: the pipe's reading end; the object owns it.
        stream: the type of the events.
    """

    def __init__(self, fd: int, stream: Literal["stdout", "stderr"]) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.ended = False
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""
        self._since = 0.0
        self._idle = bytearray()
        self._dropped_bytes = 0
        self._idling_loop: asyncio.AbstractEventLoop | None = None

    def fill(self, now: float) -> None:
        """Read what the pipe holds now; `now` is the loop's time, in seconds."""
        data = self._read()
        if not data and not self.ended:
            return
        if not self._text:
            self._since = now
        self._text += self._decoder.decode(data, final=self.ended)

    def take(self, now: float, *, flush: bool = False) -> dict[str, Any] | None:
        """Return the next event, or None while it is better to wait for more of a line.

        Args:
            now: the loop's time, in seconds.
            flush: give everything, even half a character.
        """
        if flush:
            self._text += self._decoder.decode(b"", final=True)
            self._decoder.reset()
        if not self._text or not (flush or self.ended or self._ready(now)):
            return None
        text, self._text = self._text, ""
        return output_event(self._stream, text)

    def due(self) -> float | None:
        """Return the time at which `take` gives what is held back, None if nothing is."""
        return self._since + COALESCE_S if self._text else None

    def start_idling(self) -> None:
        """Read in the background, keeping the last `IDLE_BYTES_MAX` bytes."""
        if self._idling_loop is None and not self.ended:
            self._idling_loop = asyncio.get_running_loop()
            self._idling_loop.add_reader(self.fd, self._idle_once)

    def stop_idling(self, *, keep: bool) -> None:
        """Stop reading in the background; `keep` what was read for the next `take`."""
        if self._idling_loop is not None:
            self._idling_loop.remove_reader(self.fd)
            self._idling_loop = None
        if keep and self._dropped_bytes:
            self._text += f"[{self._dropped_bytes} bytes of background output dropped]\n"
        if keep:
            self._text += self._decoder.decode(bytes(self._idle))
        self._idle.clear()
        self._dropped_bytes = 0

    def close(self) -> None:
        """Give the descriptor back. Idempotent."""
        if self.fd >= 0:
            self.stop_idling(keep=False)
            os.close(self.fd)
            self.fd, self.ended = -1, True

    def _ready(self, now: float) -> bool:
        return (
            self._text.endswith("\n")
            or len(self._text) >= TEXT_CHARS_MAX
            or now >= self._since + COALESCE_S
        )

    def _read(self) -> bytes:
        if self.ended:
            return b""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self.fd, READ_BYTES_MAX)
            self.ended = not data
            return data
        return b""

    def _idle_once(self) -> None:
        self._idle += self._read()
        excess = len(self._idle) - IDLE_BYTES_MAX
        if excess > 0:
            del self._idle[:excess]
            self._dropped_bytes += excess
        if self.ended and self._idling_loop is not None:
            self._idling_loop.remove_reader(self.fd)
            self._idling_loop = None


def output_event(stream: Literal["stdout", "stderr"], text: str) -> dict[str, Any]:
    """Build an output event, with the present time."""
    stamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return {"type": stream, "text": text, "timestamp": stamp}
