"""Words that forms take for the same, by language, and those that say nothing. Owns no decision.

Closed and strict: a word that is not here stands for itself alone, so that "more" never passes for
"most", nor "largest" for "highest".
"""

import re
from collections.abc import Sequence
from typing import Final

# One row a meaning: English words, then Spanish ones; folded.
_SAME: Final = """
mean: average mean avg | medio media medios medias promedio promedios
median: median | mediana medianas mediano
sum: sum total totals | suma total totales
maximum: maximum max | maximo maxima maximos maximas
minimum: minimum min | minimo minima minimos minimas
highest: highest | mayor mayores
lowest: lowest | menor menores
by: by per | por segun
each: each every | cada
and: and | y e
or: or | o u
not: not no | no
without: without | sin
with: with | con
in: in | en
between: between | entre
only: only just | solo solamente unicamente
correlation: correlation | correlacion
histogram: histogram | histograma
percentage: percentage percent | porcentaje
which: which | que
variance: variance | varianza
different: different distinct | distintos distintas diferentes
month: month months | mes meses
year: year years | ano anos
week: week weeks | semana semanas
day: day days | dia dias
"""
_PHRASES: Final = (
    ("deviation", r"standard deviation", r"desviacion (?:estandar|tipica)"),
    ("more than", r"(?:more|greater|higher) than", r"(?:mas|mayor(?:es)?) (?:de|que)"),
    ("less than", r"(?:less|lower|fewer) than", r"(?:menos|menor(?:es)?) (?:de|que)"),
    ("at least", r"at least", r"(?:al menos|como minimo)"),
    ("at most", r"at most", r"(?:como maximo|a lo sumo)"),
    ("how many", r"how many", r"cuant[oa]s"),
    ("number of", r"(?:the )?number of", r"(?:el )?numero de"),
)
_NOTHING: Final = {
    "en": frozenset(("the", "a", "an", "of", "is", "are")),
    "es": frozenset(("el", "la", "los", "las", "un", "una", "de", "del", "es", "son")),
}
_FRAMES: Final = {
    "en": re.compile(
        r"(?:please |(?:can|could) you |i (?:want|would like) (?:to (?:know|see) )?)*"
        r"(?:what (?:is|are|s) |what was |tell me |show me |give me |calculate |compute |find )?"
    ),
    "es": re.compile(
        r"(?:por favor |puedes |podrias |quiero (?:saber |ver )?|me gustaria (?:saber |ver )?)*"
        r"(?:cual(?:es)? (?:es|son|fue) |dime |dame |muestra(?:me)? |ensena(?:me)? "
        r"|calcula(?:me|r)? |encuentra |obten(?:er)? )?"
    ),
}
_ENDS: Final = re.compile(r"(?: please| por favor| thanks| thank you| gracias)+$")
# Statistics that mean the same whatever is measured; "highest" or "top" may mean a sum or a row.
EXPLICIT: Final = frozenset(("=mean", "=median", "=sum", "=variance", "=deviation"))
RELATIONS: Final = frozenset(("=correlation", "=histogram"))
_AFTER_NOUN: Final = frozenset(("=mean", "=median", "=sum", "=maximum", "=minimum"))
# Alone, these name no column in particular.
_WEAK_TEXT: Final = (
    "name id code number count total amount value type date day year month time average mean sum "
    "min max nombre codigo numero cantidad valor tipo fecha dia ano mes tiempo media medio "
    "promedio suma minimo maximo index indice rank percent rate group grupo"
)
WEAK: Final = frozenset(_WEAK_TEXT.split())


def _table() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {"en": {}, "es": {}}
    for line in _SAME.strip().splitlines():
        name, _, both = line.partition(": ")
        for language, side in zip(("en", "es"), both.split(" | "), strict=True):
            found[language].update(dict.fromkeys(side.split(), f"={name}"))
    return found


_TABLE: Final = _table()
_PATTERNS: Final = {
    language: tuple((name, re.compile(rf"\b{row[side]}\b")) for name, *row in _PHRASES)
    for side, language in enumerate(("en", "es"))
}


def statistics(words: frozenset[str]) -> tuple[str, ...]:
    """What of statistics is in the words of a name, in either language."""
    found = {_TABLE[language].get(word, "") for language in _TABLE for word in words}
    return tuple(sorted(found & (_AFTER_NOUN | EXPLICIT)))


def frame_words(words: Sequence[str], language: str) -> int:
    """How many words lead a question in: "what is the", "muéstrame" and the like."""
    found = _FRAMES[language].match(" ".join([*words, ""]))
    return found[0].count(" ") if found else 0


def ending_words(words: Sequence[str]) -> int:
    """How many words, such as "please", end a question and ask for nothing."""
    found = _ENDS.search(" ".join(["", *words]))
    return found[0].count(" ") if found else 0


def phrases(folded: str, language: str) -> list[tuple[int, int, str]]:
    """Where phrases stand that count as one word, and what they mean."""
    return [
        (match.start(), match.end(), f"={name}")
        for name, pattern in _PATTERNS[language]
        for match in pattern.finditer(folded)
    ]


def meaning(word: str, language: str) -> str:
    """What a word stands for; "" if for nothing."""
    if word in _NOTHING[language]:
        return ""
    return _TABLE[language].get(word, word)


def before_nouns(tokens: list[str], language: str) -> list[str]:
    """Put a statistic that follows its column before it: "precio medio" as "mean price"."""
    if language != "es":
        return tokens
    found = list(tokens)
    for place in range(1, len(found)):
        if found[place] in _AFTER_NOUN and found[place - 1].startswith("<column"):
            found[place - 1], found[place] = found[place], found[place - 1]
    return found
