"""On which data a program may run again, by what it takes for granted. Pure."""

import ast
import re
from collections.abc import Collection, Sequence
from typing import Final

from capibara6.ace.reuse.residue import Residue
from capibara6.language.words import fold

SAME_DATA, SAME_TABLE, ANY_TABLE = "data", "table", "any"  # narrower before wider

# Numbers that are about time, shares, seeds or rounds, rather than about the data at hand.
_WHOLE: Final = (
    *range(13), 15, 16, 20, 24, 25, 30, 42, 50, 52, 60, 75, 80, 90, 95, 99, 100, 128, 200, 256,
    300, 365, 500, 1000,
)  # fmt: skip
_SHARES: Final = (0.05, 0.1, 0.2, 0.25, 0.3, 0.5, 0.75, 0.8, 0.9, 0.95, 0.99, 1.5)
_PLAIN: Final = frozenset((*_WHOLE, *_SHARES))
_BY_PLACE: Final = frozenset(("iloc", "iat", "columns", "values", "to_numpy", "itertuples", "T"))
_OF_LAYOUT: Final = frozenset(("usecols", "names", "skiprows", "header", "skipfooter"))


def reach(body: ast.Module, values: Collection[str]) -> str:
    """How far from its own data a program may go.

    Args:
        body: below its parameters.
        values: cells of the data's columns of words; a program that knows one knows its data.
    """
    left = Residue.of(body)
    if _tells(left, values) or not all(abs(one) in _PLAIN for one in left.numbers):
        return SAME_DATA
    for node in ast.walk(body):
        if isinstance(node, ast.Attribute) and node.attr in _BY_PLACE:
            return SAME_TABLE
        if isinstance(node, ast.keyword) and node.arg in _OF_LAYOUT:
            return SAME_TABLE
    return ANY_TABLE


def _tells(left: Residue, values: Collection[str]) -> bool:
    """Whether a program's texts are, or speak of, cells of the data."""
    known = {fold(one) for one in values if len(one) > 1}
    if left.texts & known:
        return True
    said = {word for text in left.texts for word in re.findall(r"[^\W\d_]{3,}", text)}
    single = {one for one in known if re.fullmatch(r"[^\W\d_]{3,}", one)}
    several = [one for one in known - single if " " in one]
    return bool(said & single) or any(one in text for one in several for text in left.texts)


def needed(code: str, columns: Sequence[str]) -> list[str]:
    """The columns that a program names anywhere."""
    return [name for name in columns if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", code)]
