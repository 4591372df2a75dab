"""Which columns of the data does a question speak of?"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from capibara6.domain.requests import Column
from capibara6.language.synonyms import concepts
from capibara6.language.words import FILLERS, Word, name_words, stem, words

COLUMNS_FUZZY_MAX = 500  # beyond this, misspelt names are not looked for: it would take seconds
_FUZZY_LENGTH_MIN = 5
_FUZZY_RATIO_MIN = 0.84

# Alone, these words do not point at a column whose name merely contains them.
_WEAK_WORDS = (
    "amount average code count date day effect id identifier kind max maximum min minimum name no "
    "number time total type us value cantidad codigo dia fecha maximo media medio minimo nombre "
    "numero promedio tiempo tipo total valor"
)
# Where a word fits several columns ("gross": US Gross, Worldwide Gross), the whole comes first.
_WHOLE = frozenset(("global", "mundial", "overall", "total", "worldwide"))
# These speak of the file, not of a column, unless a column is called just that.
_FILE_WORDS_TEXT = (
    "archivo archivos column columna columnas columns csv data dataset dato datos fichero fila "
    "filas file files other others otra otras otro otros row rows tabla table"
)
_FILE_WORDS = frozenset(_FILE_WORDS_TEXT.split())
# A column called just so holds the money that "sales" and "revenue" speak of.
_SUMS = frozenset(map(stem, ("total", "amount", "importe", "monto")))
_MONEY = frozenset(("revenue", "sale", "gross", "amount", "spend"))
_WEAK = frozenset(stem(word) for word in _WEAK_WORDS.split())


@dataclass(frozen=True, slots=True)
class Mention:
    """A stretch of the question and the columns that it can mean, the likeliest first."""

    columns: tuple[Column, ...]
    start: int
    end: int

    def best(self, *kinds: str) -> Column:
        """Return the likeliest column, preferring those of the given kinds."""
        return next((column for column in self.columns if column.kind in kinds), self.columns[0])


@dataclass(frozen=True, slots=True)
class _Candidate:
    column: Column
    order: int
    positions: frozenset[int]  # of the question's words
    coverage: float  # matched part of the column's name
    exact: int  # words matched without synonyms

    def rank(self) -> tuple[float, ...]:
        partial = not _WHOLE.intersection(name_words(self.column.name))
        return (-len(self.positions), -self.coverage, -self.exact, partial, self.order)


def find_mentions(question: str, columns: Sequence[Column]) -> tuple[Mention, ...]:
    """Find the columns that a question names, in the order in which it names them.

    Matches across case, accents, plurals, naming styles (`Release_Date`, `releaseDate`), Spanish
    and English synonyms and, for tables of at most 500 columns, misspellings.
    """
    asked = words(question)
    spelling = _Spelling(asked, columns)
    candidates = [
        candidate
        for order, column in enumerate(columns)
        for candidate in _candidates(asked, column, order, spelling)
    ]
    return _resolve(asked, sorted(candidates, key=_Candidate.rank))


class _Spelling:
    """Says whether a word of the question means a word of a column's name."""

    def __init__(self, asked: Sequence[Word], columns: Sequence[Column]) -> None:
        self._meanings = [concepts(word.stem) for word in asked]
        self._close: list[frozenset[str]] = [frozenset() for _ in asked]
        if len(columns) <= COLUMNS_FUZZY_MAX:
            known = sorted({stem(word) for c in columns for word in name_words(c.name)})
            self._close = [_close_stems(word, known) for word in asked]

    def matches(self, position: int, asked_stem: str, name_stem: str) -> bool:
        if asked_stem == name_stem or name_stem in self._close[position]:
            return True
        means_money = name_stem in _SUMS and not self._meanings[position].isdisjoint(_MONEY)
        return means_money or bool(self._meanings[position] & concepts(name_stem))


def _close_stems(word: Word, known: list[str]) -> frozenset[str]:
    if len(word.stem) < _FUZZY_LENGTH_MIN or word.stem in known or concepts(word.stem):
        return frozenset()
    return frozenset(difflib.get_close_matches(word.stem, known, n=3, cutoff=_FUZZY_RATIO_MIN))


def _candidates(
    asked: Sequence[Word], column: Column, order: int, spelling: _Spelling
) -> list[_Candidate]:
    """Match a column's words to the question's; each word on either side counts once."""
    wanted = [stem(word) for word in name_words(column.name)]
    if not wanted:
        return []
    hits = [
        (position, index)
        for position, word in enumerate(asked)
        if _may_name(word, column, wanted)
        for index, name_stem in enumerate(wanted)
        if spelling.matches(position, word.stem, name_stem)
    ]
    windows = (
        _window(asked, column, order, wanted, hits, position)
        for position in dict.fromkeys(position for position, _ in hits)
    )
    return [candidate for candidate in windows if candidate]


def _may_name(word: Word, column: Column, wanted: list[str]) -> bool:
    if word.text in _FILE_WORDS:
        return [word.text] == list(name_words(column.name))
    return word.text not in FILLERS or len(wanted) == 1


def _window(
    asked: Sequence[Word],
    column: Column,
    order: int,
    wanted: list[str],
    hits: list[tuple[int, int]],
    first: int,
) -> _Candidate | None:
    """Take the hits from `first` on that stand together, with only fillers between them."""
    positions, used, last = {first}, set[int](), first
    for position, index in sorted(
        hits, key=lambda hit: (hit[0], asked[hit[0]].stem != wanted[hit[1]], hit[1])
    ):
        gap = asked[last + 1 : position]
        if position < first or any(word.text not in FILLERS for word in gap):
            continue
        if index in used or (position in positions and used and position != first):
            continue
        if position == first and used:
            continue
        positions.add(position)
        used.add(index)
        last = position
    if len(used) < len(wanted) and all(wanted[index] in _WEAK for index in used):
        return None
    exact = sum(asked[p].stem in wanted for p in positions)
    return _Candidate(column, order, frozenset(positions), len(used) / len(wanted), exact)


def _resolve(asked: Sequence[Word], ranked: list[_Candidate]) -> tuple[Mention, ...]:
    """Give each stretch of the question to its best column; equals become alternatives.

    A column that is the best of one stretch is not named by another.
    """
    taken: dict[frozenset[int], list[Column]] = {}
    placed: set[str] = set()
    for candidate in ranked:
        if candidate.column.name in placed:
            continue
        if candidate.positions in taken:
            taken[candidate.positions].append(candidate.column)
        elif not any(candidate.positions & other for other in taken):
            taken[candidate.positions] = [candidate.column]
            placed.add(candidate.column.name)
    mentions = [
        Mention(tuple(found), asked[min(positions)].start, asked[max(positions)].end)
        for positions, found in taken.items()
    ]
    return tuple(sorted(mentions, key=lambda mention: mention.start))
