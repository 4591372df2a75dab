"""What a text looks like, apart from its words: lengths, numbers, sentences, signs.

Measures of any request in any language, most of them on a logarithmic scale; they say how much
there is to do, which words alone do not.
"""

import math
import re
from typing import Final

from capibara6.routing.kinds import KINDS, kinds

_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_WORD: Final = re.compile(r"[^\W\d_]+")
# From the first of several signs only: who writes 20,000 of them is done with as soon.
_SENTENCE: Final = re.compile(r"(?<![.!?¿¡])[.!?¿¡]+(?:\s|$)|\n+")
_SIGN: Final = re.compile(r"[(){}\[\]<>=+\-*^_\\`|;:#]")
_QUOTE: Final = re.compile("[\"'\u00ab\u00bb\u2018\u2019\u201c\u201d]")
_LONG_WORD = 8
_NUMBER_MAX: Final = 1e12
# What is usual and how far values lie from it, by experience with requests of many kinds.
# Constants, so that an outline means the same everywhere; they need not be exact.
_USUAL: Final = (
    # lengths, quantities, texture
    (5.5, 1.2), (4.0, 1.2), (1.5, 1.0), (5.0, 1.0), (0.8, 0.5), (2.5, 0.8), (0.3, 0.5),
    (1.3, 1.0), (1.2, 1.0), (3.0, 2.0), (1.5, 1.5), (0.5, 0.5), (0.1, 0.3), (0.5, 0.7),
    (0.1, 0.3), (0.2, 0.6), (0.2, 0.4), (0.8, 1.0), (0.5, 0.5), (1.2, 0.9), (0.3, 0.6),
    (1.5, 1.2), (0.3, 0.4), (0.85, 0.12), (0.8, 0.12), (0.12, 0.1), (0.6, 0.3),
)  # fmt: skip
_FAR: Final = 2.5  # nothing is further out than this
_KIND_WEIGHT: Final = 0.7
OUTLINE_SIZE: Final = 1 + len(_USUAL) + len(KINDS)


def outline(text: str) -> tuple[float, ...]:
    """A constant one, the measures, centred and scaled, and the kinds that the text is of."""
    share = 1 / math.sqrt(len(_USUAL))
    scaled = (
        (value - usual) / spread
        for value, (usual, spread) in zip(measures(text), _USUAL, strict=True)
    )
    measured = (share * min(_FAR, max(-_FAR, value)) for value in scaled)
    return (1.0, *measured, *(_KIND_WEIGHT * kind for kind in kinds(text)))


def measures(text: str) -> tuple[float, ...]:
    """Measure a text; each value moves by about one where the difference matters."""
    words = _WORD.findall(text)
    numbers = _NUMBER.findall(text)
    sentences = [part for part in _SENTENCE.split(text) if part and not part.isspace()]
    return (
        *_lengths(text, words, sentences),
        *_quantities(numbers, words),
        *_texture(text, words),
    )


def _lengths(text: str, words: list[str], sentences: list[str]) -> tuple[float, ...]:
    last = sentences[-1] if sentences else ""
    longest = max(map(len, sentences), default=0)
    return (
        math.log1p(len(text)),
        math.log1p(len(words)),
        math.log1p(len(sentences)),
        math.log1p(longest),
        len(words) / max(1, len(sentences)) / 20,
        math.log1p(len(_WORD.findall(last))),
        math.log1p(len(_NUMBER.findall(last))),
    )


def _quantities(numbers: list[str], words: list[str]) -> tuple[float, ...]:
    sizes = [_logarithm(number) for number in numbers]
    mean = sum(sizes) / len(sizes) if sizes else 0.0
    spread = math.sqrt(sum((size - mean) ** 2 for size in sizes) / len(sizes)) if sizes else 0.0
    return (
        math.log1p(len(numbers)),
        math.log1p(len(set(numbers))),
        max(sizes, default=0.0),
        min(sizes, default=0.0),
        math.log1p(spread),
        math.log1p(sum("." in number for number in numbers)),
        5 * len(numbers) / max(1, len(words)),
    )


def _logarithm(number: str) -> float:
    """Of a number as people write it; the separator of thousands does not matter."""
    whole = number.replace(",", "")
    value = float(whole) if whole.count(".") <= 1 else float(whole.replace(".", ""))
    return math.log1p(min(value, _NUMBER_MAX))


def _texture(text: str, words: list[str]) -> tuple[float, ...]:
    count = max(1, len(words))
    signs = len(_SIGN.findall(text))
    return (
        math.log1p(text.count("%")),
        math.log1p(text.count("$")),
        math.log1p(text.count("/")),
        math.log1p(text.count("\n")),
        math.log1p(text.count("?")),
        math.log1p(text.count(",")),
        math.log1p(len(_QUOTE.findall(text))),
        math.log1p(signs),
        10 * signs / max(1, len(text)),
        sum(map(len, words)) / count / 5,
        len({word.lower() for word in words}) / count,
        sum(word[0].isupper() for word in words) / count,
        3 * sum(len(word) >= _LONG_WORD for word in words) / count,
    )
