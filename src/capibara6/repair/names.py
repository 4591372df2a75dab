"""Names that were probably meant: columns and files close to one that does not exist. Pure."""

import difflib
import re
import unicodedata
from collections.abc import Sequence
from typing import Final

_LIKENESS_MIN: Final = 0.6
_COMPARED_MAX: Final = 2_000
_NAME_CHARS_MAX: Final = 200  # of a name; what is longer is none, and slow to compare
_CLOSE_MAX: Final = 3
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_DTYPE = re.compile(r",\s*dtype=.*$", re.DOTALL)


def quoted_names(text: str) -> list[str]:
    """The quoted names in an error's list, such as `Index(['a', "b"], dtype='str')`."""
    found = _QUOTED.findall(_DTYPE.sub("", text))
    return [single or double for single, double in found]


def close_names(name: str, known: Sequence[str], likeness_min: float = _LIKENESS_MIN) -> list[str]:
    """Up to three known names, closest first: case, accents and separators do not count."""
    if len(name) > _NAME_CHARS_MAX:
        return []
    by_folded: dict[str, str] = {}
    for candidate in known[:_COMPARED_MAX]:
        by_folded.setdefault(_folded(candidate), candidate)
    wanted = _folded(name)
    close = difflib.get_close_matches(wanted, by_folded, _CLOSE_MAX, likeness_min)
    # "Gross" for "US Gross": a word of the name, which likeness alone does not find.
    close += [folded for folded in by_folded if _is_part(wanted, folded) and folded not in close]
    return [by_folded[folded] for folded in close[:_CLOSE_MAX]]


def listed(names: Sequence[str], chars_max: int) -> str:
    """Names in quotes, as many as fit, with an ellipsis when some do not."""
    kept: list[str] = []
    for name in names:
        chars_max -= len(name) + 4
        if chars_max < 0:
            return ", ".join([*kept, "…"])
        kept.append(repr(name))
    return ", ".join(kept)


def _is_part(wanted: str, folded: str) -> bool:
    words, other = set(wanted.split()), set(folded.split())
    return bool(words) and (words < other or other < words)


def _folded(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(character for character in plain if not unicodedata.combining(character))
    return " ".join(re.findall(r"[^\W_]+", letters))
