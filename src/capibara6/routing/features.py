"""A request as numbers that a linear model can learn from.

Stateless: the same text always gives the same features, in every process and version of Python, so
what was learnt can be stored and merged. Words and pairs of words are hashed; measures of the text
(`structure`) are put softly into bins of width one, so that a linear model can bend over them.
"""

import itertools
import math
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter, mul
from typing import Any, Final

from capibara6.routing.structure import measures

SIZE: Final = 1 << 17  # places for features; words that share one are rare and harmless
TEXT_CHARACTERS_MAX: Final = 6000  # of a longer text, its beginning and its end
_TOKENS_MAX: Final = 900
_MEASURE_WEIGHT: Final = 0.2  # so that all measures together weigh as much as all words
_TOKEN: Final = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+|[%$/?]")


@dataclass(frozen=True, slots=True)
class Features:
    """A sparse vector: places and their values.

    Attributes:
        take: picks the places out of a list of weights, quickly.
        norm: the sum of the squared values.
    """

    places: tuple[int, ...]
    values: tuple[float, ...]
    take: Callable[[Sequence[float]], tuple[float, ...]] = field(repr=False, compare=False)
    norm: float

    def dot(self, weights: Sequence[float]) -> float:
        """The product with a full vector of `SIZE` weights."""
        product: float = sum(map(mul, self.take(weights), self.values))
        return product


def vector(values: dict[int, float]) -> Features:
    """Features out of places and values; there must be at least two."""
    places, numbers = tuple(values), tuple(values.values())
    take: Any = itemgetter(*places)
    return Features(places, numbers, take, sum(value * value for value in numbers))


def features(text: str, task: str = "") -> Features:
    """The features of a request; `task` is a kind of task that is known beforehand."""
    text = shortened(text)
    values: dict[int, float] = {}
    grams = _grams(text)
    weight = 1 / math.sqrt(max(1, len(grams)))
    for gram in grams:
        place = _place(gram)
        values[place] = values.get(place, 0.0) + weight
    _add_measures(values, measures(text))
    if task:
        values[_place(f"task={task}")] = 1.0
    return vector(values)


def shortened(text: str) -> str:
    """The part of a text that is looked at: all of it, or its beginning and its end."""
    if len(text) <= TEXT_CHARACTERS_MAX:
        return text
    half = TEXT_CHARACTERS_MAX // 2
    return f"{text[:half]}\n{text[-half:]}"


def _grams(text: str) -> list[str]:
    tokens = [_token(word) for word in _TOKEN.findall(text)[:_TOKENS_MAX]]
    pairs = [f"{first} {second}" for first, second in itertools.pairwise(tokens)]
    return list(dict.fromkeys(tokens + pairs))


def _token(word: str) -> str:
    """A word in lower case; of a number, its digits and whether it has decimals."""
    if not word[0].isdigit():
        return word.lower()
    digits = len(word.split(".", 1)[0].replace(",", ""))
    return f"#{digits}." if "." in word else f"#{digits}"


def _add_measures(values: dict[int, float], found: Sequence[float]) -> None:
    for number, value in enumerate(found):
        low = math.floor(value)
        share = value - low
        for bin_, weight in ((low, 1 - share), (low + 1, share)):
            place = _place(f"{number}:{bin_}")
            values[place] = values.get(place, 0.0) + _MEASURE_WEIGHT * weight


def _place(name: str) -> int:
    return zlib.crc32(name.encode("utf-8", "replace")) % SIZE
