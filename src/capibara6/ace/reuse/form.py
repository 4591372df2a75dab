"""The form of a question: its words in order, and slots for what is one request's own. Pure."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from capibara6.ace.reuse import wording
from capibara6.domain.requests import Column, DataFile
from capibara6.language.cells import find_values
from capibara6.language.everyday import number_named
from capibara6.language.mentions import Mention, find_mentions
from capibara6.language.synonyms import concepts
from capibara6.language.words import FILLERS, fold, name_words, stem

Value = str | int | float
_Span = tuple[int, int, str]  # start, end, token

_TOKEN: Final = re.compile(r"\d+(?:[.,]\d+)*(?![^\W_])|[^\W_]+|[<>=%+*/^&|$€£-]+")
_QUOTED: Final = re.compile(
    r"“([^”]{1,80})”|«([^»]{1,80})»|\"([^\"]{1,80})\"|(?<!\w)'([^']{1,80})'(?!\w)"
)
_DATE: Final = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_WHOLE: Final = re.compile(r"0|[1-9]\d*")
_DECIMAL: Final = re.compile(r"\d+[.]\d{1,2}|\d+[.]\d{4,}")
_DECIMAL_COMMA: Final = re.compile(r"\d+,\d{1,2}|\d+,\d{4,}")
_YEARS: Final = range(1500, 2201)
# Articles, and words that multiply or of which several make one number.
_NO_NUMBERS_TEXT: Final = (
    "one un una uno double doble twice triple thrice hundred thousand million cien ciento cientos "
    "mil miles millon millones zero cero"
)
_NO_NUMBERS: Final = frozenset(_NO_NUMBERS_TEXT.split())
_FILE_STEM_CHARS_MIN: Final = 3


@dataclass(frozen=True, slots=True)
class Slot:
    """What in a question is one request's own.

    Attributes:
        kind: "column" | "value" | "number" | "text" | "file".
        sort: what another one must have in common with it: a column's kind, a value's column.
        value: what a program would write for it.
        said: how the question writes it.
    """

    kind: str
    sort: str
    value: Value
    said: str


@dataclass(frozen=True, slots=True)
class Form:
    """A question's words and slots, in order; two of the same tokens ask the same of their slots.

    What must not differ between two requests stands among the tokens themselves.
    """

    tokens: tuple[str, ...]
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    start: int
    end: int
    slot: Slot
    sure: bool


def read_form(
    question: str,
    language: str,
    files: Sequence[DataFile],
    values: Mapping[str, Sequence[str]],
) -> Form:
    """Read a question.

    Args:
        question: as the user wrote it.
        language: "es" or "en".
        files: with their columns.
        values: of each column of words.
    """
    found = sorted(_slots(question, files, values), key=lambda one: one.start)
    folded = fold(question)
    tokens = wording.before_nouns(list(_tokens(folded, language, found)), language)
    sure = _varying(tokens, found)
    slots = [one.slot for place, one in enumerate(found) if place in sure]
    return Form(tuple(_named(tokens, found, sure)), tuple(slots))


def _tokens(folded: str, language: str, found: Sequence[_Found]) -> Iterator[str]:
    """The words, with `<kind n>` for the n-th slot."""
    spans = [(one.start, one.end, f"<{one.slot.kind} {n}>") for n, one in enumerate(found)]
    spans += wording.phrases(_masked(folded, spans), language)
    free = _masked(folded, spans)
    words = [(match.start(), match.end(), match.group()) for match in _TOKEN.finditer(free)]
    said = [
        (start, end, wording.meaning(word, language))
        for start, end, word in _unframed(words, spans, language)
    ]
    yield from (text for *_, text in sorted(spans + said) if text)


def _unframed(words: list[_Span], spans: Sequence[_Span], language: str) -> list[_Span]:
    """Without "what is", "muéstrame" at the beginning and "please" at the end."""
    first = min((start for start, *_ in spans), default=math.inf)
    head = [word for start, _, word in words if start < first]
    kept = words[wording.frame_words(head, language) :]
    last = max((end for _, end, _ in spans), default=0)
    tail = [word for start, _, word in kept if start >= last]
    return kept[: len(kept) - wording.ending_words(tail)]


def _masked(text: str, spans: Sequence[_Span]) -> str:
    for start, end, _ in spans:
        text = f"{text[:start]}{chr(0) * (end - start)}{text[end:]}"
    return text


def _varying(tokens: Sequence[str], found: Sequence[_Found]) -> set[int]:
    """The slots that may differ. What is measured may only under a statistic named for it."""
    related = bool(wording.RELATIONS.intersection(tokens))
    sure = {place for place, one in enumerate(found) if one.sure}
    for place, token in enumerate(tokens):
        number = re.fullmatch(r"<column (\d+)>", token)
        if number and found[int(number[1])].slot.sort == "number" and not related:
            before = tokens[place - 1] if place else ""
            if before not in wording.EXPLICIT:
                sure.discard(int(number[1]))
    return sure


def _named(tokens: Sequence[str], found: Sequence[_Found], sure: set[int]) -> Iterator[str]:
    seen: dict[tuple[str, Value], int] = {}
    for token in tokens:
        number = re.fullmatch(r"<\w+ (\d+)>", token)
        if number is None:
            yield token
            continue
        place = int(number[1])
        slot = found[place].slot
        if place not in sure:
            yield f"<{slot.kind} {slot.value} {fold(slot.said)}>"
        elif (slot.kind, slot.value) in seen:
            yield f"<again {seen[slot.kind, slot.value]}>"
        else:
            seen[slot.kind, slot.value] = len(seen)
            yield f"<{slot.kind}: {slot.sort}>"


def _slots(
    question: str, files: Sequence[DataFile], values: Mapping[str, Sequence[str]]
) -> list[_Found]:
    columns = {column.name: column for file in files for column in file.columns}
    found = _file_slots(question, files)
    mentions = find_mentions(question, list(columns.values()))
    for mention in mentions:
        _keep(found, _column_slot(question, mention))
    taken = [(one.start, one.end) for one in found]
    for said in find_values(question, values, taken):
        text = question[said.start : said.end]
        sure = not wording.statistics(_folded_words(text))
        slot = Slot("value", said.column, said.value, text)
        _keep(found, _Found(said.start, said.end, slot, sure))
    for one in _text_slots(question):
        _keep(found, one)
    for one in _number_slots(question):
        _keep(found, one)
    return found


def _keep(found: list[_Found], one: _Found) -> None:
    if not any(one.start < other.end and other.start < one.end for other in found):
        found.append(one)


def _file_slots(question: str, files: Sequence[DataFile]) -> list[_Found]:
    found: list[_Found] = []
    folded = fold(question)
    for file in files:
        name = fold(file.name)
        for text in (name, name.rsplit(".", 1)[0]):
            match = re.search(rf"(?<!\w){re.escape(text)}(?!\w)", folded)
            if match and len(text) >= _FILE_STEM_CHARS_MIN:
                slot = Slot("file", "", file.name, question[match.start() : match.end()])
                _keep(found, _Found(match.start(), match.end(), slot, sure=len(files) == 1))
    return found


def _column_slot(question: str, mention: Mention) -> _Found:
    column, said = mention.columns[0], question[mention.start : mention.end]
    others = any(_names_wholly(said, other) for other in mention.columns[1:])
    sure = _names_wholly(said, column) and not others
    slot = Slot("column", column.kind, column.name, said)
    return _Found(mention.start, mention.end, slot, sure)


def _names_wholly(said: str, column: Column) -> bool:
    """Whether words name a column, all of it, in its own words or ones that mean the same."""
    spoken = _folded_words(said) - FILLERS
    named = frozenset(name_words(column.name))
    if wording.statistics(spoken | named) or named <= wording.WEAK or column.kind == "boolean":
        return False
    if len(spoken) != len(named):
        return False
    rest = {stem(word) for word in named}
    for word in spoken:
        match = next((one for one in sorted(rest) if _means(stem(word), one)), None)
        if match is None:
            return False
        rest.discard(match)
    return True


def _means(one: str, other: str) -> bool:
    return one == other or bool(concepts(one) & concepts(other))


def _folded_words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[^\W_]+", fold(text)))


def _text_slots(question: str) -> Iterator[_Found]:
    for match in _QUOTED.finditer(question):
        text = next(filter(None, match.groups()))
        yield _Found(match.start(), match.end(), Slot("text", "", text, text), sure=True)
    for match in _DATE.finditer(question):
        yield _Found(*match.span(), Slot("text", "date", match[0], match[0]), sure=True)


def _number_slots(question: str) -> Iterator[_Found]:
    for match in _TOKEN.finditer(fold(question)):
        if (number := _number(match[0])) is not None:
            sort = "year" if number in _YEARS else type(number).__name__
            slot = Slot("number", sort, number, question[match.start() : match.end()])
            yield _Found(match.start(), match.end(), slot, sure=number not in (0, 1))


def _number(text: str) -> int | float | None:
    """What a word says as a number; None where it could be read in two ways (`1.000`)."""
    if _WHOLE.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    if _DECIMAL_COMMA.fullmatch(text):
        return float(text.replace(",", "."))
    if text in _NO_NUMBERS or (named := number_named(text)) is None:
        return None
    return int(named) if _WHOLE.fullmatch(named) else None
