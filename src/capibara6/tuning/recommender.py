"""A memory limit for a task's next run, from the peaks of its runs so far.

Like Kubernetes' VPA it follows decaying statistics of peaks with a margin; unlike it, the margin is
the task's own: several levels (of the last run, of short and long memories) predict each peak, the
one that has predicted best is used, and the limit lies so far above it as its errors make safe. Few
runs make for wide margins; what other tasks' errors were stands in for those not seen yet.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

WINDOW: Final = 200  # errors remembered for each level
RUNS_MIN: Final = 3  # before them, what was asked for is granted
MEMORIES: Final = (1.0, 3.0, 10.0, 40.0)  # of the levels, in runs
_MARGIN_MIN: Final = 0.02
_SPREADS: Final = 3.0  # deviations above the level, with endless runs
_SPREADS_FEW: Final = 6.0  # and more of them, shared by the runs there are
_POOL_RUNS: Final = 4.0  # what all other tasks' errors count for
_KILLS_SHARE: Final = 0.0025  # of runs: below it, the odd peak of a task is not provided for
_ODD_FROM_RUNS: Final = 10
_ODD_SHARE: Final = 0.04  # of a task's runs that may be odd


@dataclass(slots=True)
class _Level:
    """One predictor of the logarithm of the next peak, and how wrong it was."""

    memory: float
    value: float = 0.0
    runs: int = 0
    errors: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def add(self, peak: float) -> None:
        if self.runs:
            self.errors.append(peak - self.value)
        self.runs += 1
        share = max(1 / self.runs, 1 / self.memory)
        self.value += share * (peak - self.value)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A limit, and what it rests on."""

    limit_bytes: int
    expected_bytes: int  # the peak of the level that predicts best
    runs: int


class MemoryRecommender:
    """Recommends limits for tasks, and learns from the peaks that are measured."""

    def __init__(self) -> None:
        self._levels: dict[str, tuple[_Level, ...]] = {}
        self._squares = 0.0
        self._count = 0
        self._kills = 0

    def recommend(self, task: str, ceiling_bytes: int) -> Recommendation:
        """The limit of the task's next run, never above what was asked for."""
        levels = self._levels.get(task, ())
        runs = levels[0].runs if levels else 0
        if runs < RUNS_MIN:
            return Recommendation(ceiling_bytes, ceiling_bytes, runs)
        usual = [self._usual(level.errors) for level in levels]
        spreads = [self._spread(errors) for errors in usual]
        best = min(range(len(levels)), key=lambda number: spreads[number])
        level, spread = levels[best], spreads[best]
        above = (_SPREADS + _SPREADS_FEW / runs) * spread
        seen = max(usual[best])
        margin = max(_MARGIN_MIN, above, seen + _MARGIN_MIN)
        limit = min(ceiling_bytes, math.ceil(math.exp(level.value + margin)))
        return Recommendation(limit, round(math.exp(level.value)), runs)

    def learn(self, task: str, peak_bytes: int, *, killed: bool = False) -> None:
        """Take the measured peak of one run that ended well, perhaps at its second attempt."""
        self._kills += killed
        peak = math.log(max(1, peak_bytes))
        levels = self._levels.get(task)
        if levels is None:
            levels = self._levels[task] = tuple(_Level(memory) for memory in MEMORIES)
        for level in levels:
            level.add(peak)
        if errors := min((level.errors for level in levels), key=_mean_square):
            self._squares += errors[-1] ** 2
            self._count += 1

    def _usual(self, errors: Sequence[float]) -> Sequence[float]:
        """The errors to provide for: all, or without the oddest while few runs are killed."""
        odd = math.ceil(_ODD_SHARE * len(errors)) if len(errors) >= _ODD_FROM_RUNS else 0
        if not odd or self._kills > _KILLS_SHARE * self._count:
            return errors
        return sorted(errors)[:-odd]

    def _spread(self, errors: Sequence[float]) -> float:
        pooled = self._squares / self._count if self._count else 0.01
        total = _mean_square(errors) * len(errors) + pooled * _POOL_RUNS
        return math.sqrt(total / (len(errors) + _POOL_RUNS))


def _mean_square(errors: Sequence[float]) -> float:
    return sum(error * error for error in errors) / max(1, len(errors))
