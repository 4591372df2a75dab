"""Scores of a model on a suite, with 95 % intervals. Pure."""

import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from capibara6.evaluation.curves import Interval
from capibara6.evaluation.models.results import TaskResult
from capibara6.store import ModelSample

PASS_AT: Final = (1, 5, 10)
_Z: Final = 1.959964  # of 95 %
_BOOTSTRAP_SAMPLES: Final = 1000


@dataclass(frozen=True, slots=True)
class ModelScore:
    """How a model did on a suite.

    Attributes:
        pass_1: tasks that the greedy program solves.
        selected: tasks that the kept candidate solves.
        any: tasks that some candidate solves: what an oracle would keep.
        repaired: tasks that only a repair of the kept candidate solves.
        advised: tasks that the greedy program solves with the playbook's advice; None: not asked.
        pass_at: by k, of the candidates that were drawn (Chen et al. 2021, arXiv 2107.03374).
        failures: of kept programs, by class: how many a user sees, and how many only tests know.
        seconds: while a program was being written or run; `sandbox_s` while one was run.
        programs: that ran.
        cpu_s: of a program, on average; None: the provider does not say.
    """

    tier: str
    model: str
    suite: str
    tasks: int
    candidates: int
    pass_1: int
    selected: int
    any: int
    repaired: int
    advised: int | None
    pass_at: Mapping[int, Interval]
    failures: Mapping[str, tuple[int, int]]
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    seconds: float
    write_s: float
    sandbox_s: float
    programs: int
    run_s: float
    cpu_s: float | None
    memory_peak_bytes: int | None

    @property
    def after_repair(self) -> int:
        """Tasks that the kept candidate solves, at once or mended."""
        return self.selected + self.repaired

    @property
    def programs_per_s(self) -> float:
        """Programs examined a second, while any was."""
        return self.programs / self.sandbox_s if self.sandbox_s else 0.0


def score(tier: str, model: str, suite: str, results: Sequence[TaskResult]) -> ModelScore:
    """Add up the results; there is at least one."""
    samples = [sample for result in results for sample in result.samples]
    ran = [sample for sample in samples if sample.run_s]
    cpu = [sample.cpu_s for sample in ran if sample.cpu_s is not None]
    memory = [s.memory_peak_bytes for s in ran if s.memory_peak_bytes is not None]
    advised = [result.advised for result in results if result.advised]
    return ModelScore(
        tier=tier,
        model=model,
        suite=suite,
        tasks=len(results),
        candidates=max(len(result.candidates) for result in results),
        pass_1=sum(result.candidates[0].passed for result in results),
        selected=sum(result.kept.passed for result in results),
        any=sum(any(one.passed for one in result.candidates) for result in results),
        repaired=sum(result.is_repaired for result in results),
        advised=sum(one.passed for one in advised) if advised else None,
        pass_at=_pass_at(results),
        failures=_failures(result.kept for result in results),
        prompt_tokens=sum(sample.prompt_tokens for sample in samples),
        completion_tokens=sum(sample.completion_tokens for sample in samples),
        cost_usd=sum(sample.cost_usd for sample in samples),
        seconds=_busy_s((_end(s) - s.run_s - s.write_s, _end(s)) for s in samples),
        write_s=sum(sample.write_s for sample in samples),
        sandbox_s=_busy_s((_end(s) - s.run_s, _end(s)) for s in ran),
        programs=len(ran),
        run_s=sum(sample.run_s for sample in ran) / len(ran) if ran else 0.0,
        cpu_s=sum(cpu) / len(cpu) if cpu else None,
        memory_peak_bytes=max(memory) if memory else None,
    )


def share(count: int, total: int) -> Interval:
    """A share with its 95 % interval (Wilson 1927), as it holds for few and for extreme counts."""
    if not total:
        return Interval(0.0, 0.0, 1.0)
    p, z2 = count / total, _Z * _Z
    middle = (p + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z / (1 + z2 / total) * math.sqrt(p * (1 - p) / total + z2 / (4 * total * total))
    return Interval(p, max(0.0, middle - half), min(1.0, middle + half))


def pass_at(k: int, drawn: int, passed: int) -> float:
    """The chance that one of k passes, from `drawn` of which `passed` did; unbiased."""
    if drawn - passed < k:
        return 1.0
    return 1.0 - math.prod(1.0 - k / n for n in range(drawn - passed + 1, drawn + 1))


def as_json(found: ModelScore) -> dict[str, Any]:
    """A score as a JSON object: counts, and shares with their intervals."""
    counts = {"pass_1": found.pass_1, "selected": found.selected, "any": found.any}
    counts["after_repair"] = found.after_repair
    if found.advised is not None:
        counts["with_playbook"] = found.advised
    return {
        "tier": found.tier,
        "model": found.model,
        "suite": found.suite,
        "tasks": found.tasks,
        "candidates": found.candidates,
        **counts,
        "repaired": found.repaired,
        "shares": {name: _triple(share(count, found.tasks)) for name, count in counts.items()},
        "pass_at": {str(k): _triple(interval) for k, interval in found.pass_at.items()},
        "failures": {
            kind: {"visible": seen, "invisible": unseen}
            for kind, (seen, unseen) in found.failures.items()
        },
        "prompt_tokens": found.prompt_tokens,
        "completion_tokens": found.completion_tokens,
        "cost_usd": found.cost_usd,
        "seconds": found.seconds,
        "write_seconds": found.write_s,
        "sandbox_seconds": found.sandbox_s,
        "programs": found.programs,
        "programs_per_second": found.programs_per_s,
        "seconds_per_program": found.run_s,
        "cpu_seconds_per_program": found.cpu_s,
        "memory_peak_bytes": found.memory_peak_bytes,
    }


def _triple(interval: Interval) -> list[float]:
    return [interval.value, interval.low, interval.high]


def _pass_at(results: Sequence[TaskResult]) -> dict[int, Interval]:
    """Of the drawn candidates: the greedy one is no draw."""
    drawn = [(len(r.candidates) - 1, sum(c.passed for c in r.candidates[1:])) for r in results]
    most = min(count for count, _ in drawn)
    return {
        k: _mean([pass_at(k, count, passed) for count, passed in drawn])
        for k in PASS_AT
        if k <= most
    }


def _mean(values: Sequence[float]) -> Interval:
    """The mean with its bootstrap interval over tasks."""
    draw = random.Random(0)  # noqa: S311 - no secret
    count = len(values)
    means = sorted(sum(draw.choices(values, k=count)) / count for _ in range(_BOOTSTRAP_SAMPLES))
    tail = round(0.025 * (_BOOTSTRAP_SAMPLES - 1))
    return Interval(sum(values) / count, means[tail], means[-1 - tail])


def _failures(kept: Iterable[ModelSample]) -> dict[str, tuple[int, int]]:
    counts: Counter[tuple[str, bool]] = Counter(
        (sample.kind, sample.visible) for sample in kept if not sample.passed
    )
    totals: Counter[str] = Counter()
    for (kind, _), count in counts.items():
        totals[kind] += count
    return {kind: (counts[kind, True], counts[kind, False]) for kind, _ in totals.most_common()}


def _end(sample: ModelSample) -> float:
    return sample.at.timestamp()


def _busy_s(spans: Iterable[tuple[float, float]]) -> float:
    """How long at least one of the spans was going on: pauses between two calls do not count."""
    busy, until = 0.0, -math.inf
    for begin, end in sorted(spans):
        busy += max(0.0, end - max(begin, until))
        until = max(until, end)
    return busy
