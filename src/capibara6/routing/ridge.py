"""Ridge regression on sparse features: the one that has all its data at hand.

By dual coordinate ascent (Shalev-Shwartz and Zhang, 2013): each step solves one row exactly, so
there is no step size to choose, and a strong ridge converges in a few passes. Pure Python is quick
enough, since a row has some two hundred features out of a hundred thousand.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from capibara6.routing.features import SIZE, Features

STRENGTHS: Final = (2.0, 6.0, 20.0, 60.0)  # what the ridge is chosen from
_PASSES_MAX: Final = 10
_PRECISION: Final = 1e-3  # of the squared duals: a pass that moves less ends the fit
_CHOICE_ROWS_MAX: Final = 1200
_CHOICE_FOLDS: Final = 3


@dataclass(frozen=True, slots=True)
class Regression:
    """A fitted line: the mean, and weights of what moves it."""

    mean: float
    weights: Sequence[float]
    strength: float

    def predict(self, row: Features) -> float:
        """The expected value for a row."""
        return self.mean + row.dot(self.weights)


def fit(
    rows: Sequence[Features],
    targets: Sequence[float],
    strength: float,
    precision: float = _PRECISION,
) -> Regression:
    """Fit with a given ridge. But for rounding, the order of the rows does not matter."""
    mean = sum(targets) / len(targets) if targets else 0.0
    weights, duals = [0.0] * SIZE, [0.0] * len(rows)
    order = list(range(len(rows)))
    shuffle = random.Random(0).shuffle  # noqa: S311 - no secret
    for _ in range(_PASSES_MAX):
        shuffle(order)
        moved = 0.0
        for number in order:
            row = rows[number]
            missing = targets[number] - mean - row.dot(weights) - strength * duals[number]
            step = missing / (row.norm + strength)
            duals[number] += step
            moved += step * step
            for place, value in zip(row.places, row.values, strict=True):
                weights[place] += step * value
        if moved <= precision * sum(dual * dual for dual in duals):
            break
    return Regression(mean, weights, strength)


def fit_chosen(rows: Sequence[Features], targets: Sequence[float]) -> Regression:
    """Fit with the ridge that predicts best what was held out of these rows."""
    return fit(rows, targets, _chosen_strength(rows, targets))


def _chosen_strength(rows: Sequence[Features], targets: Sequence[float]) -> float:
    order = list(range(len(rows)))
    random.Random(1).shuffle(order)  # noqa: S311 - no secret
    order = order[:_CHOICE_ROWS_MAX]
    if len(order) < 2 * _CHOICE_FOLDS:
        return STRENGTHS[-1]
    errors = dict.fromkeys(STRENGTHS, 0.0)
    for fold in range(_CHOICE_FOLDS):
        seen = [number for place, number in enumerate(order) if place % _CHOICE_FOLDS != fold]
        held = order[fold::_CHOICE_FOLDS]
        seen_rows, seen_targets = [rows[n] for n in seen], [targets[n] for n in seen]
        for strength in STRENGTHS:
            line = fit(seen_rows, seen_targets, strength)
            errors[strength] += sum((targets[n] - line.predict(rows[n])) ** 2 for n in held)
    return min(STRENGTHS, key=lambda strength: errors[strength])
