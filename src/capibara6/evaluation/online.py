"""The router measured online: prompt after prompt, it sees the outcome of the tier it chose."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from capibara6.evaluation.outcomes import OutcomeSet
from capibara6.evaluation.router import RouterScore, score
from capibara6.evaluation.utility import Dial, mean_costs
from capibara6.routing.bandit import Bandit, draw, perceive

POINTS_MAX: Final = 20  # of the printed curve


@dataclass(frozen=True, slots=True)
class Point:
    """How far it had come after so many prompts."""

    prompts: int
    reward: float  # mean worth so far
    best_single: float  # of the tier that is best over the whole file, so far
    oracle: float


@dataclass(frozen=True, slots=True)
class OnlineScore:
    """The whole run, and its curve."""

    score: RouterScore
    points: Sequence[Point]


def run_online(found: OutcomeSet, quality: float = 1.0, seed: int = 0) -> OnlineScore:
    """Go through the file once, in its order, and learn on the way.

    Prices are known beforehand, as they are in a configuration; nothing else is.
    """
    dial, costs = Dial.of(found, quality), mean_costs(found)
    bandit, source = Bandit(costs), random.Random(seed)  # noqa: S311 - no secret
    choices: dict[int, str] = {}
    for number in found.complete:
        prompt = found.prompts[number]
        seen = perceive(prompt.prompt, prompt.task)
        worths = {
            tier: dial.utility(draw(belief, source), costs[tier])
            for tier, belief in bandit.beliefs(seen, found.tiers).items()
        }
        best = max(worths, key=lambda name: worths[name])
        tier = choices[number] = bandit.untried(found.tiers) or best
        bandit.learn(seen, tier, prompt.outcomes[tier].success)
    whole = score(found, choices, dial)
    return OnlineScore(whole, _points(found, choices, dial, whole.baselines.best_single_tier))


def _points(found: OutcomeSet, choices: dict[int, str], dial: Dial, best: str) -> tuple[Point, ...]:
    every = max(1, -(-len(choices) // POINTS_MAX))
    reward = single = oracle = 0.0
    points = []
    for count, (number, tier) in enumerate(choices.items(), 1):
        worths = {name: dial.worth(o) for name, o in found.prompts[number].outcomes.items()}
        reward, single = reward + worths[tier], single + worths[best]
        oracle += max(worths.values())
        if count % every == 0 or count == len(choices):
            points.append(Point(count, reward / count, single / count, oracle / count))
    return tuple(points)
