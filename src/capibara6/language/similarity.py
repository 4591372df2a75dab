"""Which texts are about the same: an index of short texts and code, in Spanish and English. Pure.

Texts are compared by stems of words, pairs of them, parts of words (which are alike in both
languages: `correlación`, `correlation`), concepts (`gráfico`, `plot`) and numbers, in digits or
words and in their order, weighed as in BM25 with how rare they are in the index (Robertson and
Zaragoza, 2009). Nothing is learnt beforehand, so that the index can grow and shrink, and no weights
have to be loaded. Examples of code count little: their numbers and texts, which are rare, would
mislead.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Final, Generic, TypeVar

from capibara6.language.computing import computing_concepts
from capibara6.language.everyday import everyday_concepts, number_named
from capibara6.language.prose import called, parted, without_lists
from capibara6.language.synonyms import concepts
from capibara6.language.words import Word, words

Key = TypeVar("Key", bound=Hashable)
TEXT_CHARACTERS_MAX: Final = 8_000  # of a longer text, its beginning
_TERMS_MAX: Final = 80  # of a query: the most telling
_CONCEPT, _PART, _PAIR = 1.0, 0.5, 0.5  # weights beside that of a word, which is one
_NUMBER, _NUMBER_PAIR = 1.0, 0.5
_LETTERS_OF_KNOWN: Final = 0.5  # share of a word's letters where its meaning is known
_CALLED, _EXAMPLE, _EXAMPLE_NUMBER = 0.2, 0.05, 0.1  # weights of names called in examples, …
_PART_LETTERS: Final = 4
_WORD_CHARS_MAX: Final = 60
_SATURATION, _LENGTH_SHARE = 1.2, 0.75  # BM25's k1 and b
_STOP_WORDS: Final = (
    "the a an of in to and for is are be with that this it as by from on at or you your i we el la "
    "los las un una de del en y o para por con que se su al es lo given should using use task "
    "called named como dado dada debe ser"
)
_STOP: Final = frozenset(_STOP_WORDS.split())


def terms(text: str) -> dict[str, float]:
    """What a text is compared by, with weights."""
    found: defaultdict[str, float] = defaultdict(float)
    prose, examples = parted(text[:TEXT_CHARACTERS_MAX])
    _add_words(found, words(prose), 1.0)
    _add_words(found, words(called(examples)), _CALLED)
    _add_words(found, words(examples), _EXAMPLE)
    rest, lists = without_lists(prose)
    _add_numbers(found, words(rest))
    numbers: defaultdict[str, float] = defaultdict(float)
    _add_numbers(numbers, words(f"{examples} {lists}"))
    for term, weight in numbers.items():
        found[term] += _EXAMPLE_NUMBER * min(weight, 1.0)
    return dict(found)


def _add_words(found: dict[str, float], read: Sequence[Word], weight: float) -> None:
    kept = [word for word in read if _counts(word)]
    for word in kept:
        meant = computing_concepts(word.stem) | concepts(word.stem) | everyday_concepts(word.stem)
        # Its letters are rarer than its meaning where texts of two languages stand together.
        letters = weight * (_LETTERS_OF_KNOWN if meant else 1.0)
        found[word.stem] += letters
        for concept in meant:
            found[f"={concept}"] += weight * _CONCEPT / math.sqrt(len(meant))
        _add_parts(found, word.text, letters)
    for first, second in itertools.pairwise(kept):
        found[f"{first.stem} {second.stem}"] += weight * _PAIR


def _counts(word: Word) -> bool:
    return word.text not in _STOP and len(word.text) <= _WORD_CHARS_MAX


def _add_parts(found: dict[str, float], word: str, weight: float) -> None:
    if len(word) < _PART_LETTERS:
        return
    marked = f"^{word}$"
    count = len(marked) - _PART_LETTERS + 1
    for start in range(count):
        found[f"~{marked[start : start + _PART_LETTERS]}"] += weight * _PART / math.sqrt(count)


def _add_numbers(found: dict[str, float], read: Sequence[Word]) -> None:
    """A reworded question keeps its numbers and mostly their order, whatever its language."""
    numbers = [number for word in read if (number := number_named(word.text))]
    for number in numbers:
        found[f"#{number}"] += _NUMBER
    for first, second in itertools.pairwise(numbers):
        found[f"#{first} {second}"] += _NUMBER_PAIR


class SimilarityIndex(Generic[Key]):
    """Texts by key; answers which are closest to another text."""

    def __init__(self) -> None:
        self._postings: dict[str, dict[Key, float]] = {}
        self._lengths: dict[Key, float] = {}
        self._terms: dict[Key, tuple[str, ...]] = {}
        self._total_length = 0.0

    def __len__(self) -> int:
        return len(self._lengths)

    def __contains__(self, key: Key) -> bool:
        return key in self._lengths

    def put(self, key: Key, text: str) -> None:
        """Add a text, or replace the one of that key."""
        self.drop(key)
        found = terms(text)
        self._terms[key] = tuple(found)
        self._lengths[key] = length = sum(found.values())
        self._total_length += length
        for term, weight in found.items():
            self._postings.setdefault(term, {})[key] = weight

    def drop(self, key: Key) -> None:
        """Forget a text; one that is not there is passed over."""
        for term in self._terms.pop(key, ()):
            holders = self._postings[term]
            del holders[key]
            if not holders:
                del self._postings[term]
        self._total_length -= self._lengths.pop(key, 0.0)

    def closest(self, text: str, limit: int) -> list[tuple[Key, float]]:
        """The keys of the texts closest to one, with their likeness, closest first.

        Likeness is one for the text itself, and zero for one with nothing in common.
        """
        found = terms(text)
        weighed = self._weighed(found)
        known = [item for item in weighed if item[0] in self._postings][:_TERMS_MAX]
        scores: defaultdict[Key, float] = defaultdict(float)
        mean = self._total_length / max(1, len(self._lengths))
        for term, weight in known:
            for key, held in self._postings[term].items():
                scores[key] += weight * self._saturated(held, self._lengths[key], mean)
        own = sum(found.values())
        best = sum(
            weight * self._saturated(found[term], own, mean)
            for term, weight in weighed[:_TERMS_MAX]
        )
        ordered = sorted(scores.items(), key=lambda item: -item[1])[:limit]
        return [(key, score / (best or 1.0)) for key, score in ordered]

    def _saturated(self, held: float, length: float, mean: float) -> float:
        norm = 1 - _LENGTH_SHARE + _LENGTH_SHARE * length / (mean or 1.0)
        return held * (_SATURATION + 1) / (held + _SATURATION * norm)

    def _weighed(self, found: Mapping[str, float]) -> list[tuple[str, float]]:
        """The terms of a query with their weights, most telling first."""
        weighed = [
            (term, self._rarity(term) * weight / (weight + 0.5)) for term, weight in found.items()
        ]
        return sorted(weighed, key=lambda item: -item[1])

    def _rarity(self, term: str) -> float:
        count, holders = len(self._lengths), len(self._postings.get(term, ()))
        return math.log(1 + (count - holders + 0.5) / (holders + 0.5))


def ranked(texts: Iterable[tuple[Key, str]], query: str, limit: int) -> list[tuple[Key, float]]:
    """The closest of some texts to a query, for a single use."""
    index: SimilarityIndex[Key] = SimilarityIndex()
    for key, text in texts:
        index.put(key, text)
    return index.closest(query, limit)
