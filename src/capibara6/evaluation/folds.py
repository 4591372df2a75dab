"""Parts of a data set for honest cross-validation."""

import random
from collections.abc import Sequence


def folds(texts: Sequence[str], count: int, seed: int = 0) -> list[list[int]]:
    """Share row numbers out to `count` folds; rows with the same text stay together.

    A text that stood both among what is learnt from and among what is scored would leak its answer.
    """
    groups: dict[str, list[int]] = {}
    for number, text in enumerate(texts):
        groups.setdefault(" ".join(text.lower().split()), []).append(number)
    keys = list(groups)
    random.Random(seed).shuffle(keys)  # noqa: S311 - no secret
    return [[row for key in keys[fold::count] for row in groups[key]] for fold in range(count)]
