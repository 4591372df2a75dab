"""The router measured by cross-validation: what it would have chosen, and what that was worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from capibara6.evaluation.curves import Curve, curve
from capibara6.evaluation.folds import folds
from capibara6.evaluation.outcomes import OutcomeSet
from capibara6.evaluation.utility import Baselines, Dial, baselines, mean_costs
from capibara6.routing.features import features
from capibara6.routing.gains import GainModel


@dataclass(frozen=True, slots=True)
class RouterScore:
    """How a router did on a file.

    Attributes:
        prompts: how many were scored.
        curve: APGR and CPT for two tiers; None for more, or where the dearer one gains nothing.
        reward: mean worth of the choices at the dial's setting.
        success: mean success of the choices.
        cost: mean cost of the choices, in the file's unit.
        chosen: how often each tier was.
    """

    prompts: int
    tiers: tuple[str, ...]
    quality: float
    curve: Curve | None
    reward: float
    success: float
    cost: float
    chosen: Mapping[str, int]
    baselines: Baselines

    @property
    def regret(self) -> float:
        """What the oracle has more, on average."""
        return self.baselines.oracle - self.reward


def cross_validate(
    found: OutcomeSet, fold_count: int = 5, quality: float = 1.0, seed: int = 0
) -> RouterScore:
    """Predict each prompt from the folds that do not hold it (nor a copy of it), and choose.

    Strengths of the regressions are chosen inside the folds that are learnt from.
    """
    predicted = _predicted(found, fold_count, seed)
    numbers, dial = found.complete, Dial.of(found, quality)
    costs = mean_costs(found)
    choices = {n: _choice(predicted[n], costs, dial) for n in numbers}
    return score(found, choices, dial, _curve(found, predicted, numbers))


def score(
    found: OutcomeSet, choices: Mapping[int, str], dial: Dial, trade: Curve | None = None
) -> RouterScore:
    """Add up what choices (tier by prompt's number) were worth."""
    outcomes = [found.prompts[n].outcomes[tier] for n, tier in choices.items()]
    count = len(outcomes)
    return RouterScore(
        prompts=count,
        tiers=found.tiers,
        quality=dial.quality,
        curve=trade,
        reward=sum(dial.worth(outcome) for outcome in outcomes) / count,
        success=sum(outcome.success for outcome in outcomes) / count,
        cost=sum(outcome.cost for outcome in outcomes) / count,
        chosen={tier: sum(tier == choice for choice in choices.values()) for tier in found.tiers},
        baselines=baselines(found, list(choices), dial),
    )


def _predicted(found: OutcomeSet, fold_count: int, seed: int) -> list[dict[str, float]]:
    rows = [features(prompt.prompt, prompt.task) for prompt in found.prompts]
    successes = [prompt.successes for prompt in found.prompts]
    predicted: list[dict[str, float]] = [{} for _ in rows]
    for held in folds([prompt.prompt for prompt in found.prompts], fold_count, seed):
        left_out = set(held)
        seen = [number for number in range(len(rows)) if number not in left_out]
        model = GainModel.fit([rows[n] for n in seen], [successes[n] for n in seen], found.tiers)
        for number in held:
            predicted[number] = model.success(rows[number])
    return predicted


def _choice(predicted: Mapping[str, float], costs: Mapping[str, float], dial: Dial) -> str:
    """The tier of most expected worth; of equal ones the cheapest."""
    return max(costs, key=lambda tier: dial.utility(predicted[tier], costs[tier]))


def _curve(
    found: OutcomeSet, predicted: Sequence[Mapping[str, float]], numbers: Sequence[int]
) -> Curve | None:
    if len(found.tiers) != 2:
        return None
    weak, strong = found.tiers
    gained = []
    for number in numbers:
        successes = found.prompts[number].successes
        gained.append(successes[strong] - successes[weak])
    return curve([predicted[n][strong] - predicted[n][weak] for n in numbers], gained)
