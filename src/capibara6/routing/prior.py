"""What the router believes of tiers before any outcome: what they achieved on one suite. Pure.

Suites differ more in hardness than tiers do, so shares of different suites are never compared: the
suite counts on which most of the tiers were measured.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from capibara6.store import MeasuredTier

_MIDDLE: Final = 0.5
_DOUBT_TASKS: Final = 20.0  # so many tasks, half of them solved, are added to what was measured


def prior(measured: Sequence[MeasuredTier], models: Mapping[str, str]) -> dict[str, float]:
    """The success to expect of tiers, 0 to 1; those that were not measured are left out.

    Args:
        measured: what is stored.
        models: by tier, the model behind it now; what another one achieved there does not count.
    """
    suites: dict[str, list[MeasuredTier]] = {}
    for one in measured:
        if models.get(one.tier) == one.model and one.tasks:
            suites.setdefault(one.suite, []).append(one)
    if not suites:
        return {}
    best = max(suites, key=lambda name: (_weight(suites[name]), name))
    return {one.tier: _expected(one) for one in suites[best]}


def _weight(found: Sequence[MeasuredTier]) -> tuple[int, int]:
    return len(found), min(one.tasks for one in found)


def _expected(found: MeasuredTier) -> float:
    return (found.passed + _MIDDLE * _DOUBT_TASKS) / (found.tasks + _DOUBT_TASKS)
