"""The function that a question asks for, as far as it says. Pure."""

import ast
import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

from capibara6.syntax import parse

_DEF = re.compile(r"^[ \t]*(?:async[ \t]+)?def[ \t]+(\w+)[ \t]*\(", re.MULTILINE)
_NAMED = re.compile(
    r"(?:function|method|funci[oó]n|m[eé]todo)\s+(?:called\s+|named\s+|llamad[ao]\s+|de nombre\s+)?"
    r"(?:`(\w+)(?:\([^`]*\))?`|(\w+)(?=\())",
    re.IGNORECASE,
)
_CALLED: Final = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\(")
_BODY: Final = "\n    pass"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; `kind` as annotated, such as "List[int]"; "" where nothing is said."""

    name: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """A function's name, and what is known of its parameters and its result."""

    name: str
    parameters: tuple[Parameter, ...] = ()
    result: str = ""


def signature_of(question: str) -> Signature | None:
    """The function that is asked for: the last one defined, else the one that is named."""
    definitions = list(_DEF.finditer(question))
    for found in reversed(definitions):
        if signature := _read(question[found.start() :]):
            return signature
    named = _NAMED.search(question)
    return Signature(named[1] or named[2]) if named else None


def most_called(expressions: list[str], defined: frozenset[str]) -> str | None:
    """The name that most expressions call, builtins and what is defined left out."""
    names = [
        name
        for text in expressions
        for name in dict.fromkeys(_CALLED.findall(text))
        if name not in defined
    ]
    found = Counter(names).most_common(1)
    return found[0][0] if found else None


def _read(text: str) -> Signature | None:
    """The signature at the start of a text, whatever follows it."""
    header = _header(text.lstrip())
    if header is None:
        return None
    try:
        node = parse(header + _BODY).body[0]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    arguments = [*node.args.posonlyargs, *node.args.args]
    required = arguments[: len(arguments) - len(node.args.defaults)]
    return Signature(
        node.name,
        tuple(Parameter(one.arg, _written(one.annotation)) for one in required),
        _written(node.returns),
    )


def _header(text: str) -> str | None:
    """Up to the colon that ends the definition's head."""
    depth = 0
    for place, mark in enumerate(text[:2_000]):
        if mark in "([{":
            depth += 1
        elif mark in ")]}":
            depth -= 1
        elif mark == ":" and depth == 0:
            return text[: place + 1]
    return None


def _written(annotation: ast.expr | None) -> str:
    return ast.unparse(annotation) if annotation else ""
