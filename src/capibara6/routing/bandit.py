"""Learns from one outcome at a time which tier to ask: a contextual bandit.

A Bayesian linear model of success: what all tiers share (how hard a request is, from its words),
and what sets each tier apart (from its outline, and a little from its words). Only the asked tier's
outcome is seen; what it says about hardness serves all. All parts are updated as one Kalman filter:
those of words with a variance for each feature, that of each tier's outline with its covariance.

Choices draw from what is believed (Thompson sampling), so that a tier is tried as long as it may be
the best. Draws are narrower than beliefs, which pays in the short run and could stick to a wrong
tier in the long; so each tier is also asked now and then, ever more seldom (as the logarithm of all
outcomes), whatever is believed. Before any outcome, a dearer tier is believed to be better, since
that is what prices are for.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import mul
from typing import Final

from capibara6.routing.features import SIZE, Features, features, shortened
from capibara6.routing.structure import OUTLINE_SIZE, outline

_MIDDLE: Final = 0.5  # success expected of nothing known
_PRICE_GAIN: Final = 0.35  # believed success of the dearest tier over the cheapest, at first
_SHARED_VARIANCE: Final = 0.1
_LEVEL_VARIANCE: Final = 0.01  # of a tier's level
_OUTLINE_VARIANCE: Final = 0.005  # of what an outline does to a tier, all measures together
_WORDS_VARIANCE: Final = 0.005  # of what words do to a tier apart from the others
_NOISE: Final = 0.2  # variance of an outcome around its probability
_FORGETTING: Final = 1 / 5000  # share of the knowledge lost with each outcome of a tier
_LEVEL_CURIOSITY: Final = 0.7  # of the drawn deviations; 1 explores for an endless future
_OUTLINE_CURIOSITY: Final = 0.2
_TRIALS: Final = 1.5  # of each tier, times the logarithm of all outcomes
_OUTCOMES_BEFORE_TRIALS: Final = 10


@dataclass(frozen=True, slots=True)
class Perception:
    """A request as the bandit sees it."""

    row: Features
    outline: Sequence[float]


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of a tier's success on a request."""

    mean: float
    deviation: float  # of the draws that explore
    outcomes: int  # of this tier so far


@dataclass(slots=True)
class _Words:
    """Weights of words, believed apart from each other."""

    variance: float
    weights: list[float] = field(default_factory=lambda: [0.0] * SIZE)
    variances: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self.variances = [self.variance] * SIZE

    def gains(self, row: Features) -> list[float]:
        return list(map(mul, row.take(self.variances), row.values))

    def update(self, row: Features, gains: Sequence[float], step: float, spread: float) -> None:
        for place, gain in zip(row.places, gains, strict=True):
            self.weights[place] += step * gain
            self.variances[place] -= gain * gain / spread


@dataclass(slots=True)
class _Tier:
    weights: list[float]
    prior: list[float]
    words: _Words = field(default_factory=lambda: _Words(_WORDS_VARIANCE))
    covariance: list[list[float]] = field(default_factory=lambda: _diagonal(_variances()))
    outcomes: int = 0

    def products(self, seen: Sequence[float]) -> list[float]:
        return [sum(map(mul, line, seen)) for line in self.covariance]


def perceive(text: str, task: str = "") -> Perception:
    """Look at a request."""
    return Perception(features(text, task), outline(shortened(text)))


class Bandit:
    """Believes, chooses and learns. The same outcomes in the same order give the same beliefs.

    Args:
        prices: of the tiers, in any unit; equal or zero prices say nothing.
        measured: success of tiers, 0 to 1, as it was measured before any outcome; it goes before
            what a price says.
    """

    def __init__(
        self, prices: Mapping[str, float], measured: Mapping[str, float] | None = None
    ) -> None:
        self._shared = _Words(_SHARED_VARIANCE)
        levels = _levels(prices)
        known = {tier: share - _MIDDLE for tier, share in (measured or {}).items()}
        self._tiers = {tier: _new_tier(known.get(tier, level)) for tier, level in levels.items()}

    def belief(self, seen: Perception, tier: str) -> Belief:
        """What is believed of one tier's success."""
        known = self._tiers[tier]
        level = known.covariance[0][0]
        whole = sum(map(mul, known.products(seen.outline), seen.outline))
        drawn = _LEVEL_CURIOSITY**2 * level + _OUTLINE_CURIOSITY**2 * max(0.0, whole - level)
        mean = self._mean(seen, known)
        return Belief(mean, math.sqrt(drawn), known.outcomes)

    def beliefs(self, seen: Perception, tiers: Sequence[str]) -> dict[str, Belief]:
        """Of several tiers."""
        return {tier: self.belief(seen, tier) for tier in tiers}

    def untried(self, tiers: Sequence[str]) -> str | None:
        """The tier, of these, that has been asked too seldom to know; None when all are known."""
        outcomes = {tier: self._tiers[tier].outcomes for tier in tiers}
        least = min(outcomes, key=lambda tier: outcomes[tier])
        enough = _TRIALS * math.log1p(sum(outcomes.values()) / _OUTCOMES_BEFORE_TRIALS)
        return least if outcomes[least] < enough else None

    def learn(self, seen: Perception, tier: str, success: float) -> None:
        """Take one outcome, 0 to 1."""
        known, row = self._tiers[tier], seen.row
        shared, own = self._shared.gains(row), known.words.gains(row)
        products = known.products(seen.outline)
        spread = sum(map(mul, products, seen.outline)) + _NOISE
        spread += sum(map(mul, shared, row.values)) + sum(map(mul, own, row.values))
        step = (success - self._mean(seen, known)) / spread
        self._shared.update(row, shared, step, spread)
        known.words.update(row, own, step, spread)
        _update(known, products, step, spread)

    def _mean(self, seen: Perception, tier: _Tier) -> float:
        words = seen.row.dot(self._shared.weights) + seen.row.dot(tier.words.weights)
        own: float = sum(map(mul, tier.weights, seen.outline))
        return _MIDDLE + words + own


def draw(belief: Belief, source: random.Random) -> float:
    """A success that may be, given what is believed."""
    return belief.mean + belief.deviation * source.gauss(0, 1)


def _update(tier: _Tier, products: Sequence[float], step: float, spread: float) -> None:
    tier.outcomes += 1
    tier.weights = [w + step * product for w, product in zip(tier.weights, products, strict=True)]
    for number, product in enumerate(products):
        share = product / spread
        line = tier.covariance[number]
        tier.covariance[number] = [
            value - share * other for value, other in zip(line, products, strict=True)
        ]
    for number, variance in enumerate(tier.prior):
        line = tier.covariance[number]
        line[number] += _FORGETTING * (variance - line[number])


def _new_tier(level: float) -> _Tier:
    return _Tier([level, *[0.0] * (OUTLINE_SIZE - 1)], _variances())


def _variances() -> list[float]:
    return [_LEVEL_VARIANCE, *[_OUTLINE_VARIANCE] * (OUTLINE_SIZE - 1)]


def _diagonal(values: Sequence[float]) -> list[list[float]]:
    size = len(values)
    return [
        [values[line] if line == column else 0.0 for column in range(size)] for line in range(size)
    ]


def _levels(prices: Mapping[str, float]) -> dict[str, float]:
    """What the tiers' prices say about their success, around zero; by their order in size."""
    dearest = max(prices.values(), default=0.0)
    if dearest <= 0:
        return dict.fromkeys(prices, 0.0)
    shares = {tier: price / dearest for tier, price in prices.items()}
    mean = sum(shares.values()) / len(shares)
    return {tier: _PRICE_GAIN * (share - mean) for tier, share in shares.items()}
