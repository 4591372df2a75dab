"""A recipe's test: the question's form, the data it was proven on, and what it printed. Pure.

It is stored with the recipe and may come from anybody's export, so it is read as data.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from capibara6.ace.reuse.facts import Facts, as_json
from capibara6.ace.reuse.form import Form, Slot
from capibara6.ace.reuse.parameters import Parametrised
from capibara6.ace.reuse.reach import needed, reach
from capibara6.domain.executions import ExecutionResult
from capibara6.domain.playbook import Bullet
from capibara6.domain.programs import Program
from capibara6.domain.requests import Request
from capibara6.language.words import name_words

PRINTED_CHARS_MAX: Final = 400
_TOKENS_MAX: Final = 80
_EXAMPLES_MAX: Final = 16
_TESTS_CHARS_MAX: Final = 4_000
# What pandas says by itself, whatever the language of the question.
_PANDAS_TEXT: Final = "name dtype float64 int64 object str length true false none index"
_PANDAS: Final = frozenset(_PANDAS_TEXT.split())


@dataclass(frozen=True, slots=True)
class Proof:
    """What a recipe was proven by.

    Attributes:
        bound: for each slot the parameters that carry it; none: it must not differ.
        reach: on which data it may run.
        wordless: it prints no words of its own, so that it answers in any language.
        by: the origin of the program.
        files: as `facts.as_json` kept them.
    """

    tokens: tuple[str, ...]
    slots: tuple[Slot, ...]
    bound: tuple[tuple[str, ...], ...]
    language: str
    wordless: bool
    reach: str
    by: str
    files: tuple[Mapping[str, Any], ...]
    printed: str


def proof_of(
    form: Form,
    language: str,
    request: Request,
    made: Parametrised,
    program: Program,
    result: ExecutionResult,
    facts: Sequence[Facts],
    values: Sequence[str],
) -> dict[str, Any]:
    """What is stored of a proof."""
    columns = {name for one in facts for name in one.columns}
    needs = needed(made.code, sorted(columns))
    known = {*values, *columns, *(file.name for file in request.files)}
    return {
        "parameters": made.parameters,
        "printed": result.stdout.strip()[:PRINTED_CHARS_MAX],
        "form": list(form.tokens)[:_TOKENS_MAX],
        "slots": [
            {"kind": s.kind, "sort": s.sort, "value": s.value, "said": s.said, "in": list(names)}
            for s, names in zip(form.slots, made.bound, strict=True)
        ],
        "language": language,
        "wordless": _is_wordless(result, known),
        "reach": reach(made.body, values),
        "by": program.origin,
        "files": [as_json(one, needs) for one in facts],
        "examples": [f"{one.call} == {one.expected}" for one in request.examples[:_EXAMPLES_MAX]],
        "tests": request.tests[:_TESTS_CHARS_MAX],
    }


def proof_in(bullet: Bullet) -> Proof | None:
    """The test of a recipe, by which it can be used again; None: it has none that can be read."""
    test = bullet.tests[0] if bullet.tests else {}
    try:
        slots = [_slot(one) for one in test["slots"]]
        return Proof(
            tokens=tuple(map(_text, test["form"])),
            slots=tuple(slot for slot, _ in slots),
            bound=tuple(names for _, names in slots),
            language=_text(test["language"]),
            wordless=test["wordless"] is True,
            reach=_text(test["reach"]),
            by=_text(test["by"]),
            files=tuple(_file(one) for one in test["files"]),
            printed=_text(test["printed"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _slot(value: Any) -> tuple[Slot, tuple[str, ...]]:
    held = value["value"]
    if isinstance(held, bool) or not isinstance(held, str | int | float):
        raise TypeError(f"a slot holds {held!r}")
    slot = Slot(_text(value["kind"]), _text(value["sort"]), held, _text(value["said"]))
    return slot, tuple(map(_text, value["in"]))


def _file(value: Any) -> Mapping[str, Any]:
    columns = {
        _text(name): (_text(kind), tuple(map(_text, signs)))
        for name, kind, signs in value["columns"]
    }
    plain = {key: _text(value[key]) for key in ("name", "layout", "schema", "content")}
    return {**plain, "columns": columns}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _is_wordless(result: ExecutionResult, known: set[str]) -> bool:
    """Whether all words that were shown are the data's own, or such as pandas prints anyway."""
    if result.artefacts or any(
        set(item.data) - {"text/plain", "text/html"} for item in result.results
    ):
        return False
    words = {word for text in known for word in name_words(text)} | _PANDAS
    said = re.findall(r"[^\W\d_]{2,}\w*", result.stdout)
    return all(part in words for text in said for part in name_words(text))
