"""What a task's next peak will be: several predictors of it, and how wrong each has been. Pure.

Peaks are logarithms of bytes, as errors are shares of a peak rather than bytes.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

MEMORIES: Final = (1.0, 3.0, 10.0, 40.0)  # of the predictors, in runs
WINDOW: Final = 400  # errors remembered for each
SPREAD_AT_FIRST: Final = 0.12  # of errors, for a task of which none are known
_SPREAD_MIN: Final = 0.004
_SPREAD_RUNS: Final = 60.0  # memory of the spreads
_ODD_SPREADS: Final = 4.0  # an error so many spreads above its level is odd
_ODD_MIN: Final = 0.02
_OF_DEVIATION: Final = 1.25  # a normal distribution's deviation, in mean absolute errors
_GUESSES: Final = 3.0  # what the first guess of the spread counts for, in runs


@dataclass(frozen=True, slots=True)
class Forecast:
    """A task's next peak, as its best predictor sees it.

    Attributes:
        level: logarithm of the expected peak in bytes.
        spread: of the usual errors around it.
        errors: made so far, the oldest first.
    """

    level: float
    spread: float
    errors: tuple[float, ...]

    @property
    def odd_from(self) -> float:
        """An error beyond this belongs to an odd run, not to the usual ones."""
        return _ODD_SPREADS * self.spread + _ODD_MIN


@dataclass(slots=True)
class Level:
    """A moving mean of peaks, or of what they are of the memory that was asked for."""

    memory: float
    relative: bool
    value: float = 0.0
    runs: int = 0
    error: float = 0.0  # mean absolute error, odd ones counted as if they were not
    errors: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def forecast(self, requested: float) -> float:
        """The next peak, where `requested` (a logarithm too) is asked for."""
        return self.value + requested if self.relative else self.value

    def add(self, peak: float, requested: float) -> None:
        """Take the next peak."""
        value = peak - requested if self.relative else peak
        if self.runs:
            self._miss(value - self.value)
        self.runs += 1
        share = max(1 / self.runs, 1 / self.memory)
        self.value += share * (value - self.value)

    def _miss(self, error: float) -> None:
        self.errors.append(error)
        count = len(self.errors)
        size = abs(error)
        if count > 2:
            size = min(size, _ODD_SPREADS * self.error + _ODD_MIN)
        self.error += (size - self.error) / min(count, _SPREAD_RUNS)


class Task:
    """The predictors of one task's peaks."""

    def __init__(self) -> None:
        self.runs = 0
        self.seconds = 0.0
        self._levels = tuple(Level(memory, kind) for kind in (False, True) for memory in MEMORIES)

    @property
    def duration_s(self) -> float:
        """Of a run, on average."""
        return self.seconds / max(1, self.runs)

    def forecast(self, requested: float) -> Forecast:
        """The next peak, by the predictor that was the least wrong."""
        best = min(self._levels, key=lambda level: level.error)
        count = len(best.errors)
        known = _OF_DEVIATION * best.error * count
        spread = (known + SPREAD_AT_FIRST * _GUESSES) / (count + _GUESSES)
        return Forecast(best.forecast(requested), max(_SPREAD_MIN, spread), tuple(best.errors))

    def add(self, peak: float, requested: float, duration_s: float) -> None:
        """Take a run."""
        self.runs += 1
        self.seconds += duration_s
        for level in self._levels:
            level.add(peak, requested)

    def __iter__(self) -> Iterator[Level]:
        return iter(self._levels)


def logarithm(size: float) -> float:
    """Of bytes; of none as of one."""
    return math.log(max(1.0, size))
