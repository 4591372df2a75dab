"""How many ready sandboxes of a template are worth keeping, from how they were asked for. Pure."""

from collections import deque
from dataclasses import dataclass
from typing import Final

WINDOW_S: Final = 600.0  # what was asked for longer ago counts no more
_TAKES_MAX: Final = 512  # remembered; no pool is as large
_BURST_S_MIN: Final = 1.0
_STARTS: Final = 10  # of which the time of a start is a moving mean


@dataclass(frozen=True, slots=True)
class PoolBounds:
    """Between which numbers of ready sandboxes demand decides; one number is a pin."""

    floor: int
    ceiling: int


class Demand:
    """What was asked of one template lately.

    A pool is large enough if it would have served the greatest burst: the takes that fell into the
    time that making the next ready one needs.
    """

    def __init__(self, bounds: PoolBounds) -> None:
        self._bounds = bounds
        self._takes: deque[float] = deque(maxlen=_TAKES_MAX)
        self._start_s = 0.0
        self._starts = 0

    def take(self, now_s: float) -> None:
        """One was asked for."""
        self._takes.append(now_s)

    def started(self, duration_s: float) -> None:
        """One was made ready; it took so long."""
        self._starts = min(self._starts + 1, _STARTS)
        self._start_s += (duration_s - self._start_s) / self._starts

    @property
    def burst_s(self) -> float:
        """How close together takes must be to count as one burst."""
        return max(_BURST_S_MIN, self._start_s)

    def burst(self, now_s: float) -> int:
        """The most that were asked for within `burst_s`, of late."""
        while self._takes and self._takes[0] < now_s - WINDOW_S:
            self._takes.popleft()
        most, first = 0, 0
        for last, at_s in enumerate(self._takes):
            while self._takes[first] < at_s - self.burst_s:
                first += 1
            most = max(most, last - first + 1)
        return most

    def size(self, now_s: float) -> int:
        """How many should be ready."""
        return max(self._bounds.floor, min(self._bounds.ceiling, self.burst(now_s)))
