"""Limits from usage, replayed over a trace: how many runs are killed, how much memory is wasted."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capibara6.errors import DataFileError
from capibara6.tuning.recommender import MemoryRecommender, Peak

COLUMNS: Final = ("task", "requested_bytes", "peak_bytes", "duration_s")


@dataclass(frozen=True, slots=True)
class UsedMemory:
    """One run of a trace."""

    task: str
    requested_bytes: int
    peak_bytes: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class LimitsScore:
    """What a way of setting limits came to.

    Attributes:
        kills_percent: of runs whose first attempt was killed.
        waste_percent: of all memory-time that was granted, what no successful attempt used.
    """

    runs: int
    kills_percent: float
    waste_percent: float


def read_trace(path: Path) -> list[UsedMemory]:
    """Read a CSV file with the columns of `COLUMNS`, in the order of the runs.

    Raises:
        DataFileError: it cannot be read, or a line is wrong.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            runs = list(_runs(path, csv.DictReader(file)))
    except (OSError, UnicodeDecodeError, csv.Error) as cause:
        raise DataFileError(str(path), f"cannot be read ({cause})", "Write CSV in UTF-8.") from None
    if not runs:
        raise DataFileError(str(path), "holds no runs", f"Write {', '.join(COLUMNS)}.")
    return runs


def replay(trace: Sequence[UsedMemory]) -> LimitsScore:
    """Let the recommender set each run's limit from the runs before it.

    A run that needs more than its limit is killed when it ends, at the earliest, and repeated with
    what was asked for; more than that it is never granted.
    """
    recommender, attempts = MemoryRecommender(), []
    for run in trace:
        recommended = recommender.recommend(run.task, run.requested_bytes)
        attempts.append((run, float(recommended.limit_bytes)))
        killed = run.peak_bytes > recommended.limit_bytes
        peak = Peak(run.peak_bytes, run.requested_bytes, run.duration_s, killed)
        recommender.learn(run.task, peak, recommended)
    return score(attempts)


def score(attempts: Sequence[tuple[UsedMemory, float]]) -> LimitsScore:
    """What limits came to: each run with the bytes that its first attempt was granted."""
    kills, granted, used = 0, 0.0, 0.0
    for run, limit in attempts:
        granted += limit * run.duration_s
        if run.peak_bytes > limit:
            kills += 1
            granted += max(run.requested_bytes, run.peak_bytes) * run.duration_s
        used += run.peak_bytes * run.duration_s
    return _score(len(attempts), kills, granted, used)


def as_requested(trace: Sequence[UsedMemory]) -> LimitsScore:
    """What the static requests come to."""
    granted = sum(max(run.requested_bytes, run.peak_bytes) * run.duration_s for run in trace)
    kills = sum(run.peak_bytes > run.requested_bytes for run in trace)
    return _score(len(trace), kills, granted, sum(r.peak_bytes * r.duration_s for r in trace))


def _score(runs: int, kills: int, granted: float, used: float) -> LimitsScore:
    waste = 100 * (granted - used) / granted if granted else 0.0
    return LimitsScore(runs, 100 * kills / runs, waste)


def _runs(path: Path, rows: Iterable[Mapping[str, str | None]]) -> Iterable[UsedMemory]:
    for number, row in enumerate(rows, 2):
        try:
            yield _run(row)
        except (KeyError, TypeError, ValueError) as cause:
            problem = f"line {number}: {cause}"
            remedy = f"Write the columns {', '.join(COLUMNS)}, numbers from 0."
            raise DataFileError(str(path), problem, remedy) from None


def _run(row: Mapping[str, str | None]) -> UsedMemory:
    task, *values = (row[name] for name in COLUMNS)
    numbers = [float(value or "") for value in values]
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise ValueError(f"{values} are not numbers from 0")
    requested, peak, duration_s = numbers
    return UsedMemory(task or "", int(requested), int(peak), duration_s)
