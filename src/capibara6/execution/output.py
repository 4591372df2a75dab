"""Output within bounds: the head and the tail are kept, and what is between is counted."""


class BoundedText:
    """Collects text, keeping at most `bytes_max` bytes of it."""

    def __init__(self, bytes_max: int) -> None:
        self._half = max(1, bytes_max // 2)
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0
        self.total_bytes = 0

    @property
    def truncated(self) -> bool:
        """Whether something was left out."""
        return self._dropped > 0 or len(self._tail) > self._half

    def add(self, text: str) -> None:
        """Append `text`."""
        data = text.encode("utf-8", "replace")
        self.total_bytes += len(data)
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if len(self._tail) > 4 * self._half:  # not at every addition
            self._shorten()

    def text(self) -> str:
        """Return what was kept, with a mark where something was left out."""
        if self.truncated:
            self._shorten()
        mark = f"\n[… {self._dropped:,} bytes of output left out …]\n" if self._dropped else ""
        if not mark:
            return (self._head + self._tail).decode("utf-8", "replace")
        head, tail = self._head.decode("utf-8", "ignore"), self._tail.decode("utf-8", "ignore")
        return head + mark + tail

    def _shorten(self) -> None:
        excess = len(self._tail) - self._half
        del self._tail[:excess]
        self._dropped += excess
