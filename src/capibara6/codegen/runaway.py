"""Noticing a model that repeats itself without end. Pure."""

from typing import Final

WINDOW_CHARS: Final = 4_000  # a program may hold a long row of equal items, but seldom this much
_PERIOD_CHARS_MAX: Final = 400


def is_runaway(text: str) -> bool:
    """Whether the last `WINDOW_CHARS` of the text are one short piece, over and over."""
    tail = text[-WINDOW_CHARS:]
    if len(tail) < WINDOW_CHARS:
        return False
    period = _period_of(tail)
    return 0 < period <= _PERIOD_CHARS_MAX


def _period_of(tail: str) -> int:
    """The distance at which the tail repeats itself throughout; 0 when it does not.

    A period p means tail[p:] == tail[:-p], so the last characters must occur again p earlier.
    """
    probe = tail[-64:]
    earlier = tail.rfind(probe, 0, len(tail) - 1)
    if earlier < 0:
        return 0
    period = len(tail) - len(probe) - earlier
    return period if tail[period:] == tail[:-period] else 0
