"""Whether what a program printed says what was expected. Pure."""

import math
import re
import unicodedata
from typing import Final

_NUMBER = re.compile(r"[-+]?\d[\d.,]*(?:[eE][-+]?\d+)?")
_TEXT_CHARS_MAX: Final = 1_000_000
_NUMBERS_MAX: Final = 20_000
_RELATIVE: Final = 1e-9


def says(printed: str, expected: str) -> bool:
    """Whether the text holds the expected answer.

    A number is held by one that is the same when rounded to the digits of the expected one; both
    ways of writing decimals and thousands count. Other texts are held as whole words, whatever
    their case and spaces.
    """
    printed = printed[:_TEXT_CHARS_MAX]
    wanted = _number(expected.strip())
    if wanted is None:
        return f" {_plain(expected)} " in f" {_plain(printed)} "
    room = _half_unit(expected.strip()) + _RELATIVE * abs(wanted)
    found = _NUMBER.findall(printed)[:_NUMBERS_MAX]
    return any(abs(value - wanted) <= room for text in found for value in _readings(text))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _half_unit(text: str) -> float:
    """Half of the last decimal of a number as it is written; of a whole one nothing."""
    _, point, decimals = text.partition(".")
    return 0.5 * 10.0 ** -len(decimals) if point and decimals.isdigit() else 0.0


def _readings(text: str) -> list[float]:
    """What a number may mean: 1,234.5 and 1.234,5 are the same to different people."""
    text = text.rstrip(".,")
    variants = {text, text.replace(",", ""), text.replace(".", "").replace(",", ".")}
    values = (_number(variant) for variant in variants)
    return [value for value in values if value is not None]


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.findall(r"\w+", folded))
