"""APGR and CPT: how a router between a weak and a strong tier trades calls for quality.

Definitions: RouteLLM (Ong et al. 2024, arXiv 2406.18665). PGR is the share of the strong tier's
gain over the weak one that is recovered; APGR its mean over all shares of calls to the strong tier
(the area under the curve by trapezoids, at every threshold); CPT(x) the least share of calls to the
strong tier that recovers x, between two thresholds by linear interpolation. A random router has
APGR 0.5, CPT50 50 % and CPT80 80 %.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

BOOTSTRAP_SAMPLES: Final = 1000
_LEVEL: Final = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """APGR, and CPT50 and CPT80 in percent of calls to the strong tier."""

    apgr: Interval
    cpt50: Interval
    cpt80: Interval


Ties = Sequence[Sequence[float]]  # gains of the prompts, best predicted first; ties in one group


def curve(predicted: Sequence[float], gained: Sequence[float], seed: int = 0) -> Curve | None:
    """Score predicted gains against the gains there were; None where the strong tier gains nothing.

    Args:
        predicted: what the strong tier was expected to gain on each prompt; only the order counts.
        gained: what it gained there.
        seed: of the bootstrap.
    """
    if sum(gained) <= 0:
        return None
    groups = _groups(predicted, gained)
    found = _points(groups)
    draw = random.Random(seed)  # noqa: S311 - no secret
    samples = [
        _points(drawn)
        for drawn in (_drawn(groups, len(gained), draw) for _ in range(BOOTSTRAP_SAMPLES))
        if sum(map(sum, drawn)) > 0
    ]
    values = zip(found, *samples, strict=True)
    return Curve(*(_interval(value, others) for value, *others in values))


def _groups(predicted: Sequence[float], gained: Sequence[float]) -> list[list[float]]:
    order = sorted(range(len(gained)), key=lambda n: -predicted[n])
    groups: list[list[float]] = []
    for place, number in enumerate(order):
        if place and predicted[number] == predicted[order[place - 1]]:
            groups[-1].append(gained[number])
        else:
            groups.append([gained[number]])
    return groups


def _drawn(groups: Ties, size: int, draw: random.Random) -> list[list[float]]:
    """A sample with replacement, in the same order."""
    where = [(group, item) for group, items in enumerate(groups) for item in range(len(items))]
    drawn: list[list[float]] = [[] for _ in groups]
    for group, item in draw.choices(where, k=size):
        drawn[group].append(groups[group][item])
    return [items for items in drawn if items]


def _points(groups: Ties) -> tuple[float, float, float]:
    total, size = sum(map(sum, groups)), sum(map(len, groups))
    area = recovered = share = 0.0
    cpt: dict[float, float] = {}
    for group in groups:
        step, rise = len(group) / size, sum(group) / total
        area += step * (recovered + rise / 2)
        for wanted in (0.5, 0.8):
            if wanted not in cpt and recovered + rise >= wanted:
                cpt[wanted] = share + step * (wanted - recovered) / rise
        share, recovered = share + step, recovered + rise
    return area, 100 * cpt.get(0.5, 1.0), 100 * cpt.get(0.8, 1.0)


def _interval(value: float, samples: Sequence[float]) -> Interval:
    ordered = sorted(samples)
    tail = round((1 - _LEVEL) / 2 * (len(ordered) - 1))
    return Interval(value, ordered[tail], ordered[-1 - tail])
