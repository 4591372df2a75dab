"""Simple conditions in a question: "in Texas", "speed > 200", "desde 1995", "entre 1990 y 1995"."""

import re

from capibara6.codegen.recipes.asked import Asked, is_year
from capibara6.domain.requests import Column
from capibara6.language.cells import ValueMention
from capibara6.language.words import fold

Condition = tuple[str, str, object]  # column, sign, value

_CUE_WORDS = "a at de del during durante en es for from in is just of only para solo where with"
_CUES = frozenset(_CUE_WORDS.split())
_ONLY = re.compile(r"\b(?:only|just|solo|solamente|unicamente)\b")
# Between "those who" and a column of yes and no: "of those who work remotely".
_THOSE = re.compile(
    r"\b(?:who|that|which|whose|where|only|just|que|quienes|cuyos?|solo|con|with|are|were|is|se|es|son)"
    r"(?: \w+){0,3}? $"
)
_NOT = re.compile(r"\b(?:not|no|never|nunca|without|sin|isn t|aren t)(?: \w+){0,2} $")
_YES = frozenset(("yes", "y", "true", "t", "si", "s", "verdadero"))
_NUMBER = r"(-?\d+(?:[.,]\d+)?)"
_IS = r"(?:is |was |es |sea )?"
_OVER = r"over|above|(?:greater|more|higher) than|mas de|por encima de"
_UNDER = r"under|below|(?:less|lower|fewer) than|menos de|por debajo de"
_SIGNS = (
    (">=", r"(?:>=|at least|al menos|como minimo|no menos de|minimo de)"),
    ("<=", r"(?:<=|at most|como maximo|a lo sumo|no mas de|maximo de)"),
    (">", rf"(?:>|{_IS}(?:{_OVER}|mayor(?:es)? (?:que|de|a)|superior(?:es)? a))"),
    ("<", rf"(?:<|{_IS}(?:{_UNDER}|menor(?:es)? (?:que|de|a)|inferior(?:es)? a))"),
    ("=", r"(?:=|equals|igual a|is exactly)"),
)
_YEAR = r"((?:1[5-9]|20|21)\d{2})"
_BETWEEN_YEARS = re.compile(
    rf"\b(?:between|entre|from|de|desde)(?: el)? {_YEAR} "
    rf"(?:and|y|to|a|hasta|until)(?: el)? {_YEAR}\b"
)
_SINCE = re.compile(rf"\b(?:since|desde|from|a partir de)(?: el)? {_YEAR}\b")
_AFTER = re.compile(rf"\b(?:after|despues de|posteriores a)(?: el)? {_YEAR}\b")
_BEFORE = re.compile(rf"\b(?:before|antes de|anteriores a)(?: el)? {_YEAR}\b")
_UNTIL = re.compile(rf"\b(?:until|hasta)(?: el)? {_YEAR}\b")
_IN_YEAR = re.compile(rf"\b(?:in|during|en|durante)(?: el)?(?: ano)? {_YEAR}\b")


def conditions(asked: Asked, skip_columns: frozenset[str] = frozenset()) -> list[Condition]:
    """Read the conditions that rows must meet.

    Args:
        asked: the question and its file.
        skip_columns: columns whose values mean something else, such as the groups to compare.
    """
    found = [*_value_conditions(asked), *_number_conditions(asked), *_year_conditions(asked)]
    return [condition for condition in found if condition[0] not in skip_columns]


def flag_conditions(asked: Asked, used: frozenset[str] = frozenset()) -> list[Condition]:
    """Columns of yes and no that "those who …" names, unless the recipe uses them itself."""
    found: list[Condition] = []
    for mention in asked.mentions:
        column, before = mention.columns[0], asked.text[: mention.start]
        if column.kind == "boolean" and column.name not in used and _THOSE.search(before):
            wanted = not _NOT.search(before)
            cells = [cell for cell in column.examples if (fold(cell) in _YES) == wanted]
            found += [(column.name, "=", cell) for cell in cells[:1]]
    return found


def _value_conditions(asked: Asked) -> list[Condition]:
    wanted: dict[str, list[str]] = {}
    for mention in asked.values:
        if _is_condition(asked, mention) or mention.column in wanted:
            wanted.setdefault(mention.column, []).append(mention.value)
    return [
        (column, "=", values[0]) if len(values) == 1 else (column, "in", values)
        for column, values in wanted.items()
    ]


def _is_condition(asked: Asked, mention: ValueMention) -> bool:
    """Ask for a sign that a value is meant: a preposition, a capital, its exact writing."""
    written = asked.question[mention.start : mention.end]
    if len(mention.value) < 3:
        return written == mention.value and mention.capital
    return mention.capital or mention.before in _CUES or bool(_ONLY.search(asked.text))


def _number_conditions(asked: Asked) -> list[Condition]:
    """Find a column followed by a comparison with a number."""
    found: list[Condition] = []
    for mention in asked.mentions:
        column = mention.best("number")
        rest = asked.text[mention.end :]
        for sign, phrase in _SIGNS:
            match = re.match(rf"\s*(?:\([^)]*\)\s*)?{phrase}\s*[$€£]?\s?{_NUMBER}", rest)
            if match and column.kind == "number":
                found.append((column.name, sign, float(match[1].replace(",", "."))))
                break
    return found


def _year_conditions(asked: Asked) -> list[Condition]:
    column = _date_column(asked)
    if column is None:
        return []
    if match := _BETWEEN_YEARS.search(asked.text):
        return [(column.name, ">=", int(match[1])), (column.name, "<=", int(match[2]))]
    patterns = ((_AFTER, ">"), (_BEFORE, "<"), (_SINCE, ">="), (_UNTIL, "<="), (_IN_YEAR, "="))
    return [
        (column.name, sign, int(match[1]))
        for pattern, sign in patterns
        if (match := pattern.search(asked.text))
    ]


def _date_column(asked: Asked) -> Column | None:
    dates = asked.dates()
    return next((c for c in dates if c.kind == "date"), next(filter(is_year, dates), None))
