"""Words of a text, made comparable across case, accents, plurals and naming styles."""

import re
import unicodedata
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_VOWELS = "aeiouy"

# Words that carry no content in either language: they may stand between the words of a mention.
_FILLERS = "a al an and con de del el en for in la las lo los of on per por the to un una y"
FILLERS = frozenset(_FILLERS.split())


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text: folded, stemmed, and where it stands in the original."""

    text: str
    stem: str
    start: int
    end: int


def fold(text: str) -> str:
    """Lower case without accents, one character for each of the original (`Género` -> `genero`)."""
    return "".join(_fold_character(character) for character in text)


def _fold_character(character: str) -> str:
    base = unicodedata.normalize("NFKD", character)[0].lower()
    return base[0]


def stem(word: str) -> str:
    """Cut plural and final vowels, so that `países`/`país` and `categories`/`category` agree."""
    if len(word) >= 4 and word.endswith("s") and word[-2] not in "iu":
        word = word[:-1]
    for _ in range(2):
        if len(word) > 3 and word[-1] in _VOWELS:
            word = word[:-1]
    return word


def words(text: str) -> tuple[Word, ...]:
    """Split running text into words."""
    folded = fold(text)
    return tuple(
        Word(m.group(), stem(m.group()), m.start(), m.end()) for m in _WORD.finditer(folded)
    )


def name_words(name: str) -> tuple[str, ...]:
    """Return the content words of a column's name: `grossUS_total` -> `gross`, `us`, `total`."""
    spaced = _CAMEL.sub(" ", name)
    found = [word.text for word in words(spaced)]
    return tuple(word for word in found if word not in FILLERS) or tuple(found)
