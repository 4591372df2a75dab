"""Where to start and how far to go: the worth of asking one tier and, if its error shows, the next.

Pure. Costs are shares of the dearest tier's price; where no tier has a price (models of one's own),
their order stands for what they take.
"""

from collections.abc import Mapping, Sequence
from typing import Final

VISIBLE_SHARE: Final = 0.5  # of failures: so many show as an error, and the next tier is asked


def shares_of_cost(prices: Mapping[str, float]) -> dict[str, float]:
    """Each tier's cost as a share of the dearest one's; `prices` are cheapest first."""
    dearest = max(prices.values(), default=0.0)
    if dearest > 0:
        return {tier: price / dearest for tier, price in prices.items()}
    return {tier: (place + 1) / len(prices) for place, tier in enumerate(prices)}


def worths(
    successes: Mapping[str, float], costs: Mapping[str, float], tiers: Sequence[str], quality: float
) -> dict[str, float]:
    """What it is worth to start at each of the tiers (cheapest first), by the dial."""
    found: dict[str, float] = {}
    following = 0.0  # the worth of what comes after a visible error
    for tier in reversed(tiers):
        failing = 1 - min(1.0, max(0.0, successes[tier]))
        own = quality * (1 - failing) - (1 - quality) * costs[tier]
        found[tier] = own + failing * VISIBLE_SHARE * max(0.0, following)
        following = max(following, found[tier])
    return found


def escalation(
    successes: Mapping[str, float],
    costs: Mapping[str, float],
    tiers: Sequence[str],
    start: str,
    quality: float,
) -> tuple[str, ...]:
    """The dearer tiers that pay after a visible error of the one before."""
    later = tiers[tiers.index(start) + 1 :]
    return tuple(
        tier for tier in later if quality * min(1.0, successes[tier]) > (1 - quality) * costs[tier]
    )


def can_pay(
    tier: str,
    successes: Mapping[str, float],
    costs: Mapping[str, float],
    tiers: Sequence[str],
    quality: float,
) -> bool:
    """Whether a tier, were it always right, would be worth more than the best of what is known."""
    best = max(worths(successes, costs, tiers, quality).values())
    return quality - (1 - quality) * costs[tier] > best
