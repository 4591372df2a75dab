"""A decaying histogram of amounts, and what it recommends: as Kubernetes' VPA has them. Pure.

Source: kubernetes/autoscaler, vertical-pod-autoscaler, `recommender/util` (buckets that grow by
5 %, weights that halve in a day) and `recommender/logic` (percentiles, bounds by confidence).
"""

import math
from dataclasses import dataclass, field
from typing import Final

HALF_LIFE_S: Final = 24 * 3600.0
_GROWTH: Final = 1.05
_BUCKETS_MAX: Final = 400
_TARGET: Final = 0.9
_LOWER: Final = 0.5
_UPPER: Final = 0.95
_LOWER_CONFIDENCE: Final = 0.001
_LIGHT: Final = 1e-9  # of the whole weight: a bucket with less is forgotten
_HEAVY: Final = 1e12  # weights are scaled down before they lose precision


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is usual.

    Attributes:
        target: the 90th percentile.
        lower: less is surely too little; upper: more is surely wasted. Far apart at first.
        confidence: in days of history, or in runs where that is less.
    """

    target: float
    lower: float
    upper: float
    confidence: float


@dataclass(slots=True)
class Histogram:
    """Amounts by size, old ones counting less.

    Attributes:
        smallest: what the first bucket ends at; all smaller amounts are in it.
    """

    smallest: float
    weights: dict[int, float] = field(default_factory=dict)
    runs: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    _origin_s: float = 0.0

    def add(self, amount: float, at_s: float) -> None:
        """Take an amount that was seen at a time (of any clock, in seconds)."""
        if not self.runs:
            self.first_s = self._origin_s = at_s
        self.runs += 1
        self.first_s, self.last_s = min(self.first_s, at_s), max(self.last_s, at_s)
        weight = 2.0 ** min(1000.0, (at_s - self._origin_s) / HALF_LIFE_S)
        bucket = self._bucket(amount)
        self.weights[bucket] = self.weights.get(bucket, 0.0) + weight
        if weight > _HEAVY:
            self._rescale(weight, at_s)

    def percentile(self, share: float) -> float:
        """The end of the bucket below which that share of the weight lies; 0 when it is empty."""
        left = share * sum(self.weights.values())
        for bucket in sorted(self.weights):
            left -= self.weights[bucket]
            if left <= 0:
                return self.smallest * _GROWTH**bucket
        return 0.0

    def estimate(self) -> Estimate | None:
        """What is usual; None when nothing was seen."""
        if not self.runs:
            return None
        confidence = min((self.last_s - self.first_s) / (24 * 3600), float(self.runs))
        known = max(confidence, 1e-3)
        return Estimate(
            target=self.percentile(_TARGET),
            lower=self.percentile(_LOWER) * (1 + _LOWER_CONFIDENCE / known) ** -2,
            upper=self.percentile(_UPPER) * (1 + 1 / known),
            confidence=confidence,
        )

    def _bucket(self, amount: float) -> int:
        if amount <= self.smallest:
            return 0
        return min(_BUCKETS_MAX, math.ceil(math.log(amount / self.smallest, _GROWTH)))

    def _rescale(self, unit: float, at_s: float) -> None:
        light = _LIGHT * sum(self.weights.values())
        kept = {bucket: weight for bucket, weight in self.weights.items() if weight > light}
        self.weights = {bucket: weight / unit for bucket, weight in kept.items()}
        self._origin_s = at_s
