"""Calls that nobody knows the answer to, by which candidates are compared with one another. Pure.

Made from the examples' inputs, varied, or from what the parameters are said or seem to be. The same
question always gives the same probes.
"""

import ast
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from capibara6.domain.programs import Example
from capibara6.search.signature import Parameter, Signature

PROBES_MAX: Final = 16
_VALUE_CHARS_MAX: Final = 2_000
_NUMBER_MAX: Final = 10**6  # a varied number stays below it: a probe must not take for ever

_INTEGERS: Final = (0, 1, 2, 7, 12, 30)
_TEXTS: Final = ("", "a", "Hello World", "abcba", "one 2 three", "AaBb")
_NUMBERS: Final = (0.5, 2.0, 3.75, -1.5, 10.0)
_LISTS: Final[Sequence[Any]] = ([], [1], [3, 1, 2], [5, 5, -1, 0], [10, 4, 7, 4, 2, 9])
_WORDS: Final[Sequence[Any]] = ([], ["a"], ["bb", "a", "ccc"], ["apple", "Bob", "level", "bb"])
_TABLES: Final[Sequence[Any]] = ({}, {"a": 1}, {"b": 2, "A": 3})
_BY_KIND: Final[dict[str, Sequence[Any]]] = {
    "int": _INTEGERS,
    "str": _TEXTS,
    "float": _NUMBERS,
    "bool": (True, False),
    "list": _LISTS,
    "words": _WORDS,
    "dict": _TABLES,
}
_OF_TEXTS: Final = re.compile(r"\[\s*str\s*\]|words|strings|names|strs", re.IGNORECASE)
_KINDS: Final = (  # annotations first, then names as people give them
    (
        "list",
        re.compile(r"list|sequence|iterable|tuple|\barr|array|lst|nums|numbers|values"),
    ),
    ("dict", re.compile(r"dict|mapping")),
    ("bool", re.compile(r"\bbool")),
    ("float", re.compile(r"\bfloat|decimal_number")),
    ("int", re.compile(r"\bint\b|^(?:n|m|k|x|y|z|a|b|c|num|number|integer|count|size|limit)$")),
    (
        "str",
        re.compile(r"\bstr\b|^s\d?$|string|text|txt|word|sentence|name|message|date|file"),
    ),
)


def probes(asked: Signature | None, examples: Sequence[Example]) -> tuple[str, ...]:
    """Calls of the function that is asked for; none where its name is not known."""
    calls = [call for one in examples if (call := _read(one.call))]
    found = list(_varied(calls)) if calls else []
    if asked and not calls:
        found = list(_by_signature(asked))
    known = {one.call for one in examples}
    return tuple(dict.fromkeys(call for call in found if call not in known))[:PROBES_MAX]


def _read(call: str) -> tuple[str, list[Any]] | None:
    """A call's name and values; None when it is more than a call with values."""
    if len(call) > _VALUE_CHARS_MAX:
        return None
    try:
        body = ast.parse(call, mode="eval").body
        if not isinstance(body, ast.Call) or not isinstance(body.func, ast.Name) or body.keywords:
            return None
        return body.func.id, [ast.literal_eval(value) for value in body.args]
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _varied(calls: list[tuple[str, list[Any]]]) -> Iterator[str]:
    """First one change of every example, then the next: so that a few probes cover all."""
    rows = [list(_variants(name, values)) for name, values in calls]
    for column in itertools.zip_longest(*rows):
        yield from (call for call in column if call is not None)


def _variants(name: str, values: list[Any]) -> Iterator[str]:
    changed = [list(_changes(value)) for value in values]
    for column in range(max(map(len, changed), default=0)):
        for place, options in enumerate(changed):
            if column < len(options):
                varied = [*values[:place], options[column], *values[place + 1 :]]
                yield _call(name, varied)


def _changes(value: Any) -> Iterator[Any]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (n for n in (value + 1, value * 2 + 1, value - 3) if abs(n) < _NUMBER_MAX)
    elif isinstance(value, float):
        yield from (value + 0.5, value * 2)
    elif isinstance(value, str | list | tuple) and value:
        sequence: Any = value
        yield sequence[::-1]
        yield sequence + sequence[:1]
        yield sequence[1:]
    elif isinstance(value, dict) and value:
        yield dict(list(value.items())[1:])


def _by_signature(asked: Signature) -> Iterator[str]:
    options = [_BY_KIND[_kind(parameter)] for parameter in asked.parameters]
    if not options:
        return
    for number in range(max(map(len, options))):
        # The second parameter runs ahead of the first, so that they are not always alike.
        places = (number * (place + 1) + place for place in range(len(options)))
        values = [some[n % len(some)] for some, n in zip(options, places, strict=True)]
        yield _call(asked.name, values)


def _kind(parameter: Parameter) -> str:
    for said in (parameter.kind.lower(), parameter.name.lower()):
        for kind, pattern in _KINDS if said else ():
            if pattern.search(said):
                texts = _OF_TEXTS.search(f"{parameter.kind} {parameter.name}")
                return "words" if kind == "list" and texts else kind
    return "int"


def _call(name: str, values: Sequence[Any]) -> str:
    return f"{name}({', '.join(map(repr, values))})"
