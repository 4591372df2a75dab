"""What kind of values a column holds.

The recipes' programs (recipes/programs/prelude.py) take the kinds from here and know the same
words for "missing".
"""

import re
from collections.abc import Iterable

MISSING = frozenset(
    (
        "",
        "na",
        "n/a",
        "nan",
        "null",
        "nil",
        "-",
        "--",
        "?",
        ".",
        "#n/a",
        "#n/d",
        "s/d",
        "n/d",
        "n.d.",
        "<na>",
    )
)
# Values in a column of words ("no damage"), but no hindrance for a column of numbers.
MISSING_AMONG_NUMBERS = frozenset(("none", "ninguno", "ninguna", "unknown", "desconocido"))
SHARE_MIN = 0.9

_NUMBER = re.compile(
    r"[+-]?\s?[$€£¥]?\s?[+-]?(?=[.,]?\d)"
    r"(\d{1,3}([.,' ]\d{3})+|\d+)?([.,]\d+)?(e[+-]?\d+)?\s?[%$€£¥]?",
    re.I,
)
_CODE = re.compile(r"0\d+")  # postal codes and the like keep their zeros
_TIME = r"([T ,]+\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s?(am|pm|z|[+-]\d{2}:?\d{2})?)?"
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|ene|abr|ago|dic)[a-z]*\.?"
_DATE = re.compile(
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}"
    r"|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})"
    r"|\d{4}-\d{2}"
    rf"|{_MONTH}\s\d{{1,2}},?\s\d{{4}}"
    rf"|\d{{1,2}}(\s|-|\sde\s){_MONTH}(\s|-|\sde\s)(\d{{4}}|\d{{2}})){_TIME}",
    re.I,
)
_BOOLEAN = frozenset(
    ("true", "false", "yes", "no", "sí", "si", "y", "n", "t", "f", "verdadero", "falso")
)


def is_missing(value: str) -> bool:
    """Say whether a cell stands for no value."""
    return value.strip().lower() in MISSING


def is_number(value: str) -> bool:
    """Accept digits with signs, currency, percent, exponents and either decimal mark."""
    text = value.strip()
    return bool(text) and any(c.isdigit() for c in text) and bool(_NUMBER.fullmatch(text))


def is_date(value: str) -> bool:
    """Accept ISO, day/month/year in either order, and English or Spanish month names."""
    return bool(_DATE.fullmatch(value.strip()))


def kind_of(values: Iterable[str]) -> str:
    """Return `"number"`, `"text"`, `"date"`, `"boolean"` or `"empty"` for the cells of a column."""
    present = [value for value in values if not is_missing(value)]
    if not present:
        return "empty"
    if all(value.strip().lower() in _BOOLEAN for value in present):
        return "boolean"
    firm = [v for v in present if v.strip().lower() not in MISSING_AMONG_NUMBERS]
    needed = SHARE_MIN * len(firm)
    if not firm:
        return "text"
    if sum(map(is_date, firm)) >= needed:
        return "date"
    if sum(map(is_number, firm)) >= needed and not any(_CODE.fullmatch(v.strip()) for v in firm):
        return "number"
    return "text"
