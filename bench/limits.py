"""Memory limits learned from usage, replayed over made-up traces beside what others would grant.

    .venv/bin/python bench/limits.py [--seeds 3] [--tasks 25] [--runs 3000]

Compared: what is asked for; a limit as Kubernetes' VPA sets it (95th percentile of a task's peaks
so far, and 15 % more); ours; and, with hindsight, the best fixed limit of each task that kills at
most 0.5 % of the runs, below which no limits can be hoped to come by much. Prints, and asserts
nothing. Sizes, durations and requests of the tasks are drawn from wide ranges, so that a few tasks
weigh most, as they do in practice.
"""

import argparse
import math
import random
import statistics
from bisect import insort
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from capibara6.evaluation.limits import LimitsScore, UsedMemory, as_requested, replay, score

HINDSIGHT_KILLS_PERCENT: Final = 0.5
_VPA_PERCENTILE, _VPA_MARGIN = 0.95, 1.15
_PRICES: Final = tuple(10.0 ** (step / 5) for step in range(40))  # of a kill, in GB·s


@dataclass(frozen=True, slots=True)
class Task:
    """What the runs of one task are drawn from."""

    name: str
    bytes: float
    spread: float  # of the logarithm
    asked: float  # times `bytes`
    duration_s: float
    two_modes: bool
    step_at: float  # share of the trace


def tasks_of(chance: random.Random, count: int) -> list[Task]:
    """Draw tasks: 0.2 to 20 GB, ten seconds to an hour, 1.4 to 3.5 times of it asked for."""
    return [
        Task(
            f"task-{number}",
            math.exp(chance.uniform(math.log(2e8), math.log(2e10))),
            chance.uniform(0.01, 0.08),
            chance.uniform(1.4, 3.5),
            math.exp(chance.uniform(math.log(10), math.log(3600))),
            chance.random() < 0.4,
            chance.uniform(0.3, 0.7),
        )
        for number in range(count)
    ]


def _steady(chance: random.Random, task: Task, _at: float) -> float:
    return chance.gauss(0, task.spread)


def _growing(chance: random.Random, task: Task, at: float) -> float:
    return _steady(chance, task, at) + 0.3 * at


def _stepping(chance: random.Random, task: Task, at: float) -> float:
    return _steady(chance, task, at) + (math.log(1.3) if at > task.step_at else 0.0)


def _two_modes(chance: random.Random, task: Task, at: float) -> float:
    return _steady(chance, task, at) + (0.4 if task.two_modes and chance.random() < 0.3 else 0.0)


def _odd(chance: random.Random, task: Task, at: float) -> float:
    return _steady(chance, task, at) + (chance.uniform(0.3, 0.9) if chance.random() < 0.02 else 0.0)


def _skewed(chance: random.Random, task: Task, _at: float) -> float:
    return chance.expovariate(1 / task.spread)


def _wide(chance: random.Random, _task: Task, _at: float) -> float:
    return chance.gauss(0, 0.15)


KINDS: Final[dict[str, Callable[[random.Random, Task, float], float]]] = {
    "peaks within 1 to 8 %": _steady,
    "the same, growing by 35 %": _growing,
    "one step of 30 % in each task": _stepping,
    "two modes in 40 % of the tasks": _two_modes,
    "2 % of the runs far out": _odd,
    "skewed": _skewed,
    "log-normal, 0.15 wide": _wide,
    "peaks follow the request": _steady,
}


def trace_of(kind: str, seed: int, tasks: int, runs: int) -> list[UsedMemory]:
    """Draw a trace, the same each time."""
    chance = random.Random(seed)
    drawn = tasks_of(chance, tasks)
    trace = []
    for number in range(runs):
        task = chance.choice(drawn)
        scale = math.exp(chance.gauss(0, 0.4)) if kind == "peaks follow the request" else 1.0
        peak = task.bytes * scale * math.exp(KINDS[kind](chance, task, number / runs))
        asked = task.bytes * scale * task.asked
        duration_s = task.duration_s * math.exp(chance.gauss(0, 0.2))
        trace.append(UsedMemory(task.name, int(asked), int(min(peak, asked)), duration_s))
    return trace


def as_vpa(trace: Sequence[UsedMemory]) -> LimitsScore:
    """Grant a percentile of the task's peaks so far, and a margin."""
    seen: dict[str, list[int]] = defaultdict(list)
    attempts = []
    for run in trace:
        peaks, limit = seen[run.task], float(run.requested_bytes)
        if peaks:
            at = min(len(peaks) - 1, int(_VPA_PERCENTILE * len(peaks)))
            limit = min(limit, peaks[at] * _VPA_MARGIN)
        attempts.append((run, limit))
        insort(peaks, run.peak_bytes)
    return score(attempts)


def with_hindsight(trace: Sequence[UsedMemory]) -> LimitsScore:
    """Grant each task the fixed limit that is best for the trace as it came."""
    by_task: dict[str, list[UsedMemory]] = defaultdict(list)
    for run in trace:
        by_task[run.task].append(run)
    scores = [
        score([pair for runs in by_task.values() for pair in _best_fixed(runs, price * 1e9)])
        for price in _PRICES
    ]
    return min(
        (one for one in scores if one.kills_percent <= HINDSIGHT_KILLS_PERCENT),
        key=lambda one: one.waste_percent,
    )


def _best_fixed(runs: Sequence[UsedMemory], price: float) -> Iterator[tuple[UsedMemory, float]]:
    ordered = sorted(runs, key=lambda run: run.peak_bytes, reverse=True)
    duration_s = sum(run.duration_s for run in runs)
    best, best_cost, again = 0.0, math.inf, 0.0
    for killed, run in enumerate(ordered):
        cost = run.peak_bytes * duration_s + again + price * killed
        if cost < best_cost:
            best, best_cost = float(run.peak_bytes), cost
        again += run.requested_bytes * run.duration_s
    return ((run, best) for run in runs)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=25)
    parser.add_argument("--runs", type=int, default=3000)
    told = parser.parse_args()
    ways = {"as requested": as_requested, "VPA-like": as_vpa, "capibara6": replay}
    ways["with hindsight"] = with_hindsight
    print(f"killed %/wasted %, means of {told.seeds} traces of {told.runs:,} runs")
    print("".join([f"{'':32}", *(f"{way:>16}" for way in ways)]))
    for kind in KINDS:
        traces = [trace_of(kind, seed, told.tasks, told.runs) for seed in range(told.seeds)]
        cells = []
        for way in ways.values():
            scores = [way(trace) for trace in traces]
            kills = statistics.fmean(one.kills_percent for one in scores)
            waste = statistics.fmean(one.waste_percent for one in scores)
            cells.append(f"{f'{kills:.2f}/{waste:.1f}':>16}")
        print("".join([f"{kind:32}", *cells]), flush=True)


if __name__ == "__main__":
    main()
