"""What tiers achieved on prompts: the file that `capibara6 eval router` reads."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capibara6.errors import DataFileError
from capibara6.evaluation.records import LineError, read_lines, text_of


@dataclass(frozen=True, slots=True)
class TierOutcome:
    """What one tier achieved on one prompt."""

    success: float  # 0..1
    cost: float


@dataclass(frozen=True, slots=True)
class PromptOutcomes:
    """One prompt with what was recorded of it."""

    prompt: str
    task: str  # "": not said
    outcomes: Mapping[str, TierOutcome]

    @property
    def successes(self) -> dict[str, float]:
        """By tier."""
        return {tier: outcome.success for tier, outcome in self.outcomes.items()}


@dataclass(frozen=True, slots=True)
class OutcomeSet:
    """A whole file."""

    prompts: Sequence[PromptOutcomes]
    tiers: tuple[str, ...]  # cheapest first

    @property
    def complete(self) -> list[int]:
        """The numbers of the prompts that every tier answered; only these can be scored."""
        count = len(self.tiers)
        return [n for n, prompt in enumerate(self.prompts) if len(prompt.outcomes) == count]


def read_outcomes(path: Path) -> OutcomeSet:
    """Read a file with lines {"prompt", "task"?, "outcomes": {tier: {"success", "cost"}}}.

    Raises:
        DataFileError: a line is not like that, or there are not two tiers to choose from.
    """
    prompts = read_lines(path, parse_outcomes)
    tiers = _by_cost(prompts)
    if len(tiers) < 2:
        raise DataFileError(str(path), "names fewer than two tiers", "Record two or more.")
    found = OutcomeSet(prompts, tiers)
    if not found.complete:
        problem = "holds no prompt with an outcome of every tier"
        raise DataFileError(str(path), problem, f"Record all of: {', '.join(tiers)}.")
    return found


def parse_outcomes(value: Mapping[str, Any]) -> PromptOutcomes:
    """One line of such a file.

    Raises:
        LineError: it is not like that.
    """
    outcomes = value.get("outcomes")
    if not isinstance(outcomes, dict) or not outcomes:
        raise LineError("'outcomes' names no tier")
    found = {tier: _outcome(tier, outcome) for tier, outcome in outcomes.items()}
    return PromptOutcomes(text_of(value, "prompt"), text_of(value, "task", ""), found)


def _outcome(tier: str, value: Any) -> TierOutcome:
    if not isinstance(value, dict):
        raise LineError(f"the outcome of {tier!r} is no object")
    success, cost = value.get("success"), value.get("cost", 0)
    if not isinstance(success, int | float) or not 0 <= success <= 1:
        raise LineError(f"'success' of {tier!r} is {success!r}, not a number from 0 to 1")
    if (
        isinstance(cost, bool)
        or not isinstance(cost, int | float)
        or not math.isfinite(cost)
        or cost < 0
    ):
        raise LineError(f"'cost' of {tier!r} is {cost!r}, not a number from 0")
    return TierOutcome(float(success), float(cost))


def _by_cost(prompts: Sequence[PromptOutcomes]) -> tuple[str, ...]:
    """The tiers by their mean cost; at the same cost, the one that achieves less comes first."""
    found: dict[str, list[TierOutcome]] = {}
    for prompt in prompts:
        for tier, outcome in prompt.outcomes.items():
            found.setdefault(tier, []).append(outcome)

    def rank(tier: str) -> tuple[float, float, str]:
        of_tier = found[tier]
        cost = sum(outcome.cost for outcome in of_tier) / len(of_tier)
        return cost, sum(outcome.success for outcome in of_tier) / len(of_tier), tier

    return tuple(sorted(found, key=rank))
