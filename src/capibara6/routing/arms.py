"""What can be learnt to pay: a tier by one program, or by the best of several. Pure.

An arm is a tier's name, or `balanced*5` for the best of five of its programs. Arms stand where
tiers do, in outcomes, prices and beliefs; a tier's own name never holds the sign.
"""

from collections.abc import Mapping, Sequence
from typing import Final

SIGN: Final = "*"


def arm(tier: str, candidates: int) -> str:
    """The name of a tier's arm."""
    return tier if candidates <= 1 else f"{tier}{SIGN}{candidates}"


def tier_of(name: str) -> tuple[str, int]:
    """The tier and the number of candidates behind an arm's name."""
    tier, sign, count = name.rpartition(SIGN)
    return (tier, int(count)) if sign and count.isdecimal() else (name, 1)


def arms(prices: Mapping[str, float], candidates: Mapping[str, int]) -> dict[str, float]:
    """The prices of all arms, cheapest first; a tier's search costs as often its program.

    Args:
        prices: of tiers, cheapest first; where they cost nothing, their order stands.
        candidates: of tiers that are set to choose among several.
    """
    found: dict[str, float] = {}
    for tier, price in prices.items():
        found[tier] = price
        count = candidates.get(tier, 1)
        if count > 1:
            found[arm(tier, count)] = price * count
    return dict(sorted(found.items(), key=lambda item: item[1]))


def arms_of(tiers: Sequence[str], known: Sequence[str]) -> list[str]:
    """The known arms of some tiers, in their order."""
    return [name for name in known if tier_of(name)[0] in tiers]
