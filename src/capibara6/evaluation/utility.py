"""What an answer is worth: its success against its cost, by the one dial of the router."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from capibara6.evaluation.outcomes import OutcomeSet, TierOutcome


@dataclass(frozen=True, slots=True)
class Dial:
    """`quality` 1 counts success alone, 0 cost alone; a cost of 1 is the dearest tier's mean."""

    quality: float
    cost_unit: float

    @classmethod
    def of(cls, found: OutcomeSet, quality: float) -> "Dial":
        """The dial for a file, whose costs may be in any unit."""
        means = mean_costs(found)
        return cls(quality, max(means.values()) or 1.0)

    def utility(self, success: float, cost: float) -> float:
        """The worth of a success at a cost in the file's unit."""
        return self.quality * success - (1 - self.quality) * cost / self.cost_unit

    def worth(self, outcome: TierOutcome) -> float:
        """The worth of an outcome."""
        return self.utility(outcome.success, outcome.cost)


@dataclass(frozen=True, slots=True)
class Baselines:
    """What could be had with hindsight, as mean worth."""

    best_single: float
    best_single_tier: str
    best_per_task: float
    oracle: float


def mean_costs(found: OutcomeSet) -> dict[str, float]:
    """By tier."""
    costs: dict[str, list[float]] = {tier: [] for tier in found.tiers}
    for prompt in found.prompts:
        for tier, outcome in prompt.outcomes.items():
            costs[tier].append(outcome.cost)
    return {tier: sum(values) / len(values) for tier, values in costs.items()}


def baselines(found: OutcomeSet, numbers: Sequence[int], dial: Dial) -> Baselines:
    """Measure on the prompts with these numbers, each with an outcome of every tier."""
    worths = [
        {tier: dial.worth(outcome) for tier, outcome in found.prompts[n].outcomes.items()}
        for n in numbers
    ]
    totals = _totals(worths, found.tiers)
    best = max(found.tiers, key=lambda tier: totals[tier])
    by_task: dict[str, list[Mapping[str, float]]] = {}
    for number, worth in zip(numbers, worths, strict=True):
        by_task.setdefault(found.prompts[number].task, []).append(worth)
    per_task = sum(max(_totals(group, found.tiers).values()) for group in by_task.values())
    oracle = sum(max(worth.values()) for worth in worths)
    count = len(worths)
    return Baselines(totals[best] / count, best, per_task / count, oracle / count)


def _totals(worths: Sequence[Mapping[str, float]], tiers: Sequence[str]) -> dict[str, float]:
    return {tier: sum(worth[tier] for worth in worths) for tier in tiers}
