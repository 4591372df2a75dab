"""Examples that a question gives of what its program shall do. Pure.

Found as people write them: doctests, `f(2) == 4`, `f(2) => 4`, `f(2) returns 4`, "For n = 2 the
output should be 4", "Input: … Output: …"; in English and Spanish. A wrongly read example costs
little: candidates are compared by how many hold, and none can hold for every one.
"""

import builtins
import re
from collections.abc import Iterator
from typing import Final

from capibara6.domain.programs import Example
from capibara6.search.literals import (
    bracket_end,
    is_expression,
    is_literal,
    value_at,
    with_words_as_text,
)
from capibara6.search.signature import Signature, most_called, signature_of

EXAMPLES_MAX: Final = 30
QUESTION_CHARS_MAX: Final = 40_000

_DOCTEST = re.compile(r"^[ \t]*>>>[ \t]?(.*)$")
_CONTINUED = re.compile(r"^[ \t]*\.\.\.[ \t]?(.*)$")
_CALL = re.compile(r"(?<![\w.])([A-Za-z_]\w*)[ \t]?\(")
_LEADS_TO = re.compile(
    r"`?[ \t]*(?:#[ \t]*)?(?:==>|=>|===?|-->|->|➞|→|⇒|⟹|=|:|\|"
    r"|(?:(?:should|must|will|would|shall)[ \t]+)?"
    r"(?:returns?|gives?|equals?|outputs?|evaluates? to)"
    r"|(?:should|must|will|would)[ \t]+be|is(?:[ \t]+equal[ \t]+to)?"
    r"|(?:debe(?:r[ií]a)?[ \t]+)?(?:devuelve|devolver|devolver[áa]|retorna|retornar|dar|ser)|da|es)"
    r"[ \t]*:?[ \t]*`?",
    re.IGNORECASE,
)  # fmt: skip
_GIVEN = re.compile(r"\b([A-Za-z_]\w*)[ \t]*[=:](?!=)[ \t]*")
_SAID = re.compile(
    r"(?:output|result|answer|return(?:s|ed)?|salida|resultado|respuesta|devuelve|devolver)\b"
    r"[^\n\d\[\]({'\"]{0,30}?"
    r"(?:should be|must be|would be|will be|is|debe ser|deber[íi]a ser|es|:|="
    r"|(?<=return)|(?<=returns)|(?<=devuelve)|(?<=devolver))[ \t]*",
    re.IGNORECASE,
)
_PAIR = re.compile(
    r"^[ \t]*(?:\*[ \t]*)?(?:input|entrada)s?[ \t]*:((?:(?!input|entrada).){1,600}?)"
    r"^[ \t]*(?:\*[ \t]*)?(?:output|salida)s?[ \t]*:[ \t]*",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
_COMMENT = re.compile(r"[ \t]+#.*$")


def found_examples(question: str) -> tuple[Example, ...]:
    """The examples that a question gives, each once, in their order."""
    text = question[:QUESTION_CHARS_MAX]
    asked = signature_of(text)
    found = [*_doctests(text), *_calls(text)]
    if asked:
        found += [*_sentences(text, asked), *_pairs(text, asked)]
    usable = (one for one in _renamed(found, asked, text) if is_expression(one.call))
    return tuple(dict.fromkeys(usable))[:EXAMPLES_MAX]


def _doctests(text: str) -> Iterator[Example]:
    lines = text.split("\n")
    place = 0
    while place < len(lines):
        begun = _DOCTEST.match(lines[place])
        place += 1
        if not begun:
            continue
        call, expected = begun[1], ""
        while place < len(lines) and (more := _CONTINUED.match(lines[place])):
            call += "\n" + more[1]
            place += 1
        while place < len(lines) and lines[place].strip() and not _ends(lines[place]):
            expected += lines[place].strip() + "\n"
            place += 1
        shown = place < len(lines) and not _is_quote(lines[place])
        yield from _doctest(_COMMENT.sub("", call).strip(), expected.strip(), shown=shown)


def _doctest(call: str, expected: str, *, shown: bool) -> Iterator[Example]:
    if not is_expression(call):
        return
    value = expected if is_literal(expected) else _first_value(expected)
    if value is not None:
        yield Example(call, value)
    elif shown and not expected and call.endswith(")") and "==" not in call:
        yield Example(call, "None")  # Python shows nothing for it


def _first_value(text: str) -> str | None:
    found = value_at(text, 0)
    return found[0] if found else None


def _ends(line: str) -> bool:
    return bool(_DOCTEST.match(line)) or _is_quote(line)


def _is_quote(line: str) -> bool:
    return line.strip() in {'"""', "'''", "```"}


def _calls(text: str) -> Iterator[Example]:
    """`f(…) SIGN value`, anywhere."""
    for begun in _CALL.finditer(text):
        end = bracket_end(text, begun.end() - 1)
        if end is None:
            continue
        leads = _LEADS_TO.match(text, end)
        if leads and (value := value_at(text, leads.end())):
            call = " ".join(text[begun.start() : end].split("\n"))
            yield Example(with_words_as_text(call.replace("&#39;", "'")), value[0])


def _sentences(text: str, asked: Signature) -> Iterator[Example]:
    """`For a = 1, b = 2 the output should be 3`."""
    names = [parameter.name for parameter in asked.parameters]
    for line in text.split("\n"):
        given, end = _given(line, names)
        if not given or len(given) != len(names):
            continue
        for said in reversed(list(_SAID.finditer(line, end))):
            if value := value_at(line, said.end()):
                yield Example(_called(asked, given), value[0])
                break


def _given(text: str, names: list[str]) -> tuple[dict[str, str], int]:
    """The values that a text gives to names, and where the last of them ends."""
    given: dict[str, str] = {}
    end = 0
    for begun in _GIVEN.finditer(text):
        if begun[1] not in names or begun.start() < end:
            continue
        if value := value_at(text, begun.end(), followed=True):
            given[begun[1]], end = value
    return given, end


def _pairs(text: str, asked: Signature) -> Iterator[Example]:
    """`Input: …`, and below it `Output: …`."""
    names = [parameter.name for parameter in asked.parameters]
    for begun in _PAIR.finditer(text):
        value = value_at(text, begun.end())
        if value is None:
            continue
        given, _ = _given(begun[1], names)
        if names and len(given) == len(names):
            yield Example(_called(asked, given), value[0])
        elif is_literal(f"({begun[1].strip()},)"):
            yield Example(f"{asked.name}({begun[1].strip()})", value[0])


def _called(asked: Signature, given: dict[str, str]) -> str:
    values = ", ".join(given[parameter.name] for parameter in asked.parameters)
    return f"{asked.name}({values})"


def _renamed(found: list[Example], asked: Signature | None, text: str) -> list[Example]:
    """Examples of the function that is asked for; of another name when all have that one."""
    defined = frozenset(re.findall(r"\bdef[ \t]+(\w+)", text)) | frozenset(dir(builtins))
    if asked is None:
        name = most_called([one.call for one in found], frozenset(dir(builtins)))
        return [one for one in found if name and _uses(one.call, name)]
    own = [one for one in found if _uses(one.call, asked.name)]
    if own:
        return own
    other = most_called([one.call for one in found], defined)
    if other is None:
        return []
    calls = [one for one in found if _uses(one.call, other)]
    return [Example(re.sub(rf"\b{other}\(", f"{asked.name}(", o.call), o.expected) for o in calls]


def _uses(call: str, name: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(name)}\s?\(", call) is not None
