"""What ended sandboxes had used, kept for their owner for a while, within a size."""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from capibara6_sandbox.host.history import History
from capibara6_sandbox.host.journal import KEPT
from capibara6_sandbox.isolation.limits import MIB, Limits

BYTES_MAX: Final = 16 * MIB  # of all histories together: some 8,000 sandboxes of five minutes
_ENTRY_BYTES: Final = 1024  # of one that holds next to nothing


class Used(NamedTuple):
    """What a sandbox had, and what of it it used."""

    limits: Limits
    history: History


class PastUsage:
    """The histories of sandboxes that have ended, by id; the oldest make room.

    Args:
        now_s: tells the time.
    """

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        self._now_s = now_s
        self._kept: dict[str, tuple[float, Used]] = {}  # oldest first, with when it ended
        self._bytes = 0

    def keep(self, sandbox_id: str, used: Used) -> None:
        """Keep what a sandbox had used until it ended, now."""
        used.history.finish()
        self._kept[sandbox_id] = (self._now_s(), used)
        self._bytes += _size(used)
        while self._bytes > BYTES_MAX:
            self._forget(next(iter(self._kept)))
        self._forget_old()

    def find(self, sandbox_id: str) -> Used | None:
        """Return what an ended sandbox had used; None for one that is unknown."""
        self._forget_old()
        found = self._kept.get(sandbox_id)
        return found[1] if found else None

    def _forget_old(self) -> None:
        limit_s = self._now_s() - KEPT.total_seconds()
        while self._kept:
            oldest = next(iter(self._kept))
            if self._kept[oldest][0] >= limit_s:
                return
            self._forget(oldest)

    def _forget(self, sandbox_id: str) -> None:
        _, used = self._kept.pop(sandbox_id)
        self._bytes -= _size(used)


def _size(used: Used) -> int:
    return used.history.size_bytes + _ENTRY_BYTES
