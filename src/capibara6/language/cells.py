"""Which values of the data does a question speak of?"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from capibara6.language.synonyms import value_concepts, value_words
from capibara6.language.words import FILLERS, Word, fold, words

VALUES_PER_COLUMN_MAX = 300  # a column with more different words is no set of categories
_VALUE_WORDS_MAX = 6
# Words that come up in questions for their own sake.
_NEVER_WORDS = "all any f n ninguno no none not other others otro otros si t unknown y yes"
# Also demonstratives in Spanish: as values they need a capital.
_DEMONSTRATIVES = frozenset(("este", "esta"))
_NEVER = frozenset(_NEVER_WORDS.split())


@dataclass(frozen=True, slots=True)
class ValueMention:
    """A value of a column that the question names."""

    column: str
    value: str  # as it stands in the data
    start: int
    end: int
    before: str  # the word before it, folded; empty at the beginning
    capital: bool  # written with a capital, or in quotes


def find_values(
    question: str, values: Mapping[str, Sequence[str]], taken: Sequence[tuple[int, int]] = ()
) -> tuple[ValueMention, ...]:
    """Find values of categories in a question, longest first where they overlap.

    Args:
        question: the question.
        values: the different values of each column of words.
        taken: stretches that mean something else, such as column names.
    """
    asked = words(question)
    known = _by_first_stem(values)
    found: list[ValueMention] = []
    free = [not _overlaps(word.start, word.end, taken) for word in asked]
    for length in range(_VALUE_WORDS_MAX, 0, -1):
        for first in range(len(asked) - length + 1):
            if not all(free[first : first + length]):
                continue
            match = _match(asked[first : first + length], known)
            if match and _written_as_value(question, asked[first]):
                found.append(_mention(question, asked, first, length, match))
                free[first : first + length] = [False] * length
    return tuple(sorted(found, key=lambda mention: mention.start))


def _by_first_stem(
    values: Mapping[str, Sequence[str]],
) -> dict[str, list[tuple[tuple[str, ...], str, str]]]:
    known: dict[str, list[tuple[tuple[str, ...], str, str]]] = {}
    for column, entries in values.items():
        for entry in entries[: VALUES_PER_COLUMN_MAX + 1]:
            stems = tuple(word.stem for word in words(entry))
            if not stems or entry.lower() in _NEVER or len(entries) > VALUES_PER_COLUMN_MAX:
                continue
            for key in (stems[0], *(value_concepts(stems[0]) if len(stems) == 1 else ())):
                known.setdefault(key, []).append((stems, column, entry))
    return known


def _match(
    part: Sequence[Word], known: Mapping[str, list[tuple[tuple[str, ...], str, str]]]
) -> tuple[str, str] | None:
    """Return column and value; values equal in all their words, or in meaning if it is one word."""
    stems = tuple(word.stem for word in part)
    text = " ".join(word.text for word in part)
    same = [
        (column, value)
        for entry_stems, column, value in known.get(stems[0], ())
        if entry_stems == stems and not all(word.text in FILLERS for word in part)
    ]
    if same:
        # "chicas" and "chicos" have the same stem as both "chica" and "chico".
        return max(same, key=lambda found: _common(text, fold(found[1])))
    for concept in value_concepts(stems[0]) if len(stems) == 1 else ():
        meant = [(column, value) for _, column, value in known.get(concept, ())]
        if meant:
            return max(meant, key=lambda found: fold(found[1]) in value_words(concept))
    return None


def _common(one: str, other: str) -> int:
    """How many letters two texts share from the start."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _mention(
    question: str, asked: Sequence[Word], first: int, length: int, match: tuple[str, str]
) -> ValueMention:
    start, end = asked[first].start, asked[first + length - 1].end
    quoted = question[start - 1 : start] in ("'", '"', "«", "“") if start else False
    capital = quoted or (first > 0 and question[start].isupper())
    before = asked[first - 1].text if first else ""
    return ValueMention(match[0], match[1], start, end, before, capital)


def _written_as_value(question: str, word: Word) -> bool:
    return word.text not in _DEMONSTRATIVES or question[word.start].isupper()


def _overlaps(start: int, end: int, taken: Sequence[tuple[int, int]]) -> bool:
    return any(start < other_end and other_start < end for other_start, other_end in taken)
