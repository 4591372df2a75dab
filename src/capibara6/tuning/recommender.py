"""A memory limit for a task's next run, from the peaks of its runs so far.

Like Kubernetes' VPA it follows the peaks of each task with a margin above them. Unlike it, the
margin is a decision: too much memory is granted for as long as a run lasts, too little kills the
run, which is then repeated with all that was asked for. A kill has a price besides, one for all
tasks, which rises while more runs are killed than may be: so the few kills there may be are taken
where they save the most memory.
"""

import math
from dataclasses import dataclass
from typing import Final

from capibara6.tuning.levels import Forecast, Task, logarithm
from capibara6.tuning.margins import Errors

KILLS_SHARE: Final = 0.003  # of runs that may be killed
_PRICE_AT_FIRST: Final = 100.0  # of a kill, in runs of average memory and duration
_PRICE_BOUNDS: Final = (0.5, 3_000.0)
_PRICE_STEP: Final = 0.02
_STEPS_MAX: Final = 5.0
_SURPRISE_BOUNDS: Final = (0.5, 3.0)  # kills there were, of those expected
_ABOVE: Final = 0.003  # a limit lies above the peak that it lets pass


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A limit, and what it rests on.

    Attributes:
        limit_bytes: never above what was asked for.
        expected_bytes: the peak of the next run, as its best predictor sees it.
        kill_probability: that the run needs more than the limit.
        runs: seen of the task.
        forecast: that `learn` needs again; None where no run had been seen.
    """

    limit_bytes: int
    expected_bytes: int
    kill_probability: float
    runs: int
    forecast: Forecast | None = None


@dataclass(frozen=True, slots=True)
class Peak:
    """What one run needed, perhaps at its second attempt."""

    peak_bytes: int
    requested_bytes: int
    duration_s: float
    killed: bool = False  # at its first attempt


class MemoryRecommender:
    """Recommends limits for tasks, and learns from the peaks that are measured."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._errors = Errors()
        self._price = _PRICE_AT_FIRST
        self._runs = 0
        self._kills = 0
        self._expected_kills = 0.0
        self._used = 0.0  # byte seconds

    def recommend(self, task: str, requested_bytes: int) -> Recommendation:
        """The limit of the task's next run; its first gets what it asks for."""
        seen = self._tasks.get(task)
        if seen is None:
            return Recommendation(requested_bytes, requested_bytes, 0.0, 0)
        forecast = seen.forecast(logarithm(requested_bytes))
        expected = round(math.exp(min(forecast.level, logarithm(requested_bytes))))
        limit, excess = self._cheapest(forecast, requested_bytes, seen.duration_s)
        return Recommendation(limit, expected, excess, seen.runs, forecast)

    def learn(self, task: str, peak: Peak, recommended: Recommendation) -> None:
        """Take what a run needed that had been given `recommended`."""
        size, requested = logarithm(peak.peak_bytes), logarithm(peak.requested_bytes)
        self._runs += 1
        self._kills += peak.killed
        self._used += peak.peak_bytes * peak.duration_s
        if recommended.forecast is not None:
            self._errors.add(recommended.forecast, size - recommended.forecast.level)
            self._reprice(recommended.kill_probability)
        self._tasks.setdefault(task, Task()).add(size, requested, peak.duration_s)

    def _cheapest(
        self, forecast: Forecast, requested_bytes: int, duration_s: float
    ) -> tuple[int, float]:
        """The limit that costs least in memory and kills, and how likely it kills."""
        price = self._price * self._used / self._runs
        best, best_cost = (requested_bytes, 0.0), duration_s * requested_bytes
        for margin in self._errors.margins(forecast):
            limit = math.exp(min(forecast.level + margin.size + _ABOVE, 700.0))
            if limit >= requested_bytes:
                break
            cost = duration_s * (limit + margin.excess * requested_bytes) + price * margin.excess
            if cost < best_cost:
                best, best_cost = (math.ceil(limit), margin.excess), cost
        return best

    def _reprice(self, kill_probability: float) -> None:
        """Make kills dearer or cheaper, by how many there were and how likely this one was."""
        self._expected_kills += kill_probability
        low, high = _SURPRISE_BOUNDS
        surprise = min(high, max(low, (self._kills + 2) / (self._expected_kills + 2)))
        above = (surprise * kill_probability - KILLS_SHARE) / KILLS_SHARE
        price = self._price * math.exp(_PRICE_STEP * min(_STEPS_MAX, above))
        self._price = min(_PRICE_BOUNDS[1], max(_PRICE_BOUNDS[0], price))
