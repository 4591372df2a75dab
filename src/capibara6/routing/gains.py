"""How well each tier would do, as the cheapest one's success and what dearer ones gain over it.

Gains are fitted by themselves, not as a difference of two fits: what makes a question hard for both
tiers cancels out, and each gain gets a ridge of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from capibara6.routing.features import Features
from capibara6.routing.ridge import Regression, fit_chosen


@dataclass(frozen=True, slots=True)
class GainModel:
    """Fitted on outcomes of several tiers for the same requests."""

    tiers: tuple[str, ...]  # cheapest first
    base: Regression
    gains: Mapping[str, Regression]  # of every tier but the cheapest, over the cheapest

    @classmethod
    def fit(
        cls,
        rows: Sequence[Features],
        successes: Sequence[Mapping[str, float]],
        tiers: Sequence[str],
    ) -> "GainModel":
        """Fit on what each tier achieved, 0 to 1; a tier may be missing from a row."""
        cheapest, *dearer = tiers
        known = [number for number, row in enumerate(successes) if cheapest in row]
        base = fit_chosen([rows[n] for n in known], [successes[n][cheapest] for n in known])
        gains = {}
        for tier in dearer:
            both = [number for number in known if tier in successes[number]]
            gained = [successes[n][tier] - successes[n][cheapest] for n in both]
            gains[tier] = fit_chosen([rows[n] for n in both], gained)
        return cls(tuple(tiers), base, gains)

    def gain(self, row: Features, tier: str) -> float:
        """What a tier is expected to gain over the cheapest one."""
        return self.gains[tier].predict(row) if tier in self.gains else 0.0

    def success(self, row: Features) -> dict[str, float]:
        """The expected success of every tier."""
        base = self.base.predict(row)
        return {tier: base + self.gain(row, tier) for tier in self.tiers}
