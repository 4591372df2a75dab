"""How likely a peak lies a margin above its forecast, from a task's errors and all tasks'. Pure.

Usual errors are alike when they are measured in their task's spread. Odd ones (a run on ten times
the data) are rare in each task and alike over all in how far they lie above: without them, a task
of which none has been seen yet would seem safe.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from capibara6.tuning.levels import Forecast

_USUAL_MAX: Final = 2_000  # remembered of all tasks
_ODD_MAX: Final = 300
_USUAL_AT_FIRST: Final = tuple(-3 + 7 * step / 29 for step in range(30))
_BEYOND_AT_FIRST: Final = tuple(1 - step / 30 for step in range(31))
# What share of the usual errors of all tasks lies beyond each of those that stand for them, finer
# where it is decided, and beyond the last.
_STEPS: Final = tuple(1 - step / 40 for step in range(39))
_BEYOND: Final = (*_STEPS, 0.018, 0.012, 0.008, 0.005, 0.003, 0.0018, 0.001, 0.0005)
_USUAL_KNOWN: Final = 20  # errors, from which they replace those
_ODD_AT_FIRST: Final = (0.3, 0.5, 0.8)
_ODD_WEIGHT: Final = 2  # of a task's own odd errors among all tasks'
_POOL_RUNS: Final = 24.0  # what all tasks' usual errors count for
_RATE_RUNS: Final = 40.0  # what their rate of odd ones counts for
_RATE_AT_FIRST: Final = (0.2, 20.0)  # odd runs, of how many
_UNSEEN: Final = 0.6  # runs that are thought beyond the greatest error seen
_UNSEEN_FALL: Final = 2.5  # by how many halves within a spread


@dataclass(frozen=True, slots=True)
class Margin:
    """A margin above a forecast, in logarithms, and how likely a peak exceeds it."""

    size: float
    excess: float


class Errors:
    """The errors of all tasks' forecasts."""

    def __init__(self) -> None:
        self._usual: deque[float] = deque(maxlen=_USUAL_MAX)  # in spreads of their tasks
        self._odd: deque[float] = deque(maxlen=_ODD_MAX)
        self._odd_count = 0
        self._count = 0
        self._told: Sequence[float] = _USUAL_AT_FIRST
        self._beyond: Sequence[float] = _BEYOND_AT_FIRST

    def add(self, forecast: Forecast, error: float) -> None:
        """Take an error of a forecast."""
        self._count += 1
        if error > forecast.odd_from:
            self._odd_count += 1
            self._odd.append(error)
            return
        self._usual.append(error / forecast.spread)
        if len(self._usual) >= _USUAL_KNOWN and self._count % _USUAL_KNOWN == 0:
            ordered = sorted(self._usual)
            self._told = [ordered[int((1 - share) * len(ordered))] for share in _BEYOND[:-1]]
            self._beyond = _BEYOND

    def margins(self, forecast: Forecast) -> Iterator[Margin]:
        """Margins worth choosing from, the smallest first."""
        usual = sorted(error for error in forecast.errors if error <= forecast.odd_from)
        own_odd = [error for error in forecast.errors if error > forecast.odd_from]
        pool = [error * forecast.spread for error in self._told]
        odd = sorted((*self._all_odd(), *(own_odd * _ODD_WEIGHT)))
        rate = self._rate(len(own_odd), len(forecast.errors))
        sizes = sorted({error for error in (*usual, *pool, *odd) if error >= -forecast.spread})
        for size in _apart(sizes, forecast.spread / 20):
            beyond = (1 - rate) * self._usual_beyond(size, usual, pool, forecast.spread)
            beyond += rate * (len(odd) - bisect_right(odd, size) + 0.5) / (len(odd) + 1)
            yield Margin(size, beyond)

    def _all_odd(self) -> Sequence[float]:
        return self._odd if len(self._odd) >= len(_ODD_AT_FIRST) else _ODD_AT_FIRST

    def _rate(self, own_odd: int, own: int) -> float:
        few, of_runs = _RATE_AT_FIRST
        everywhere = (self._odd_count + few) / (self._count + of_runs)
        return (own_odd + everywhere * _RATE_RUNS) / (own + _RATE_RUNS)

    def _usual_beyond(
        self, size: float, usual: Sequence[float], pool: Sequence[float], spread: float
    ) -> float:
        above = len(usual) - bisect_right(usual, size)
        share = self._beyond[bisect_right(pool, size)]
        past = max(0.0, size - usual[-1]) / spread if usual else 0.0
        unseen = _UNSEEN * 2.0 ** (-_UNSEEN_FALL * past) if usual else 0.0
        return (above + unseen + _POOL_RUNS * share) / (len(usual) + _POOL_RUNS + _UNSEEN)


def _apart(sizes: Sequence[float], least: float) -> Iterator[float]:
    """The sizes without those that hardly differ from the next."""
    for size, following in pairwise(sizes):
        if following - size >= least:
            yield size
    yield from sizes[-1:]
