"""Programs are written once for both languages; here one language is chosen.

`text(en=…, es=…)` becomes its argument for the user's language, so that a program reads as if it
had been written in that language only. Such calls may stand inside one another but not inside an
f-string.
"""

import ast
import re

from capibara6.syntax import parse

_SHORT_CALL = re.compile(r"^(?P<head> *[\w.]+\()\n +(?P<body>[^\n]+?),?\n *\)$", re.M)
_LINE_CHARACTERS = 100


def localise(source: str, language: str) -> str:
    """Replace every `text(en=…, es=…)` by its argument for `language`.

    Raises:
        SyntaxError: the source is not Python.
        ValueError: a call lacks the language.
    """
    while calls := _innermost(parse(source)):
        source = _replaced(source, calls, language)
    return _SHORT_CALL.sub(_joined, source)


def _is_text_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "text"


def _innermost(tree: ast.Module) -> list[ast.Call]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_text_call(node)]
    return [call for call in calls if sum(map(_is_text_call, ast.walk(call))) == 1]


def _replaced(source: str, calls: list[ast.Call], language: str) -> str:
    lines = source.encode().splitlines(keepends=True)  # positions in the tree count UTF-8 bytes
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    content = source.encode()
    arguments = _call_arguments(parse(source))
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset), reverse=True):
        value = _argument(call, language)
        begin, end = _span(call, starts)
        inner = content[slice(*_span(value, starts))]
        if b"\n" in inner and (call.lineno, call.col_offset) not in arguments:
            inner = b"(" + inner + b")"
        content = content[:begin] + inner + content[end:]
    return content.decode()


def _call_arguments(tree: ast.Module) -> set[tuple[int, int]]:
    """Where the arguments of calls stand: there, text may go on over several lines."""
    return {
        (argument.lineno, argument.col_offset)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for argument in node.args
    }


def _argument(call: ast.Call, language: str) -> ast.expr:
    for keyword in call.keywords:
        if keyword.arg == language:
            return keyword.value
    raise ValueError(f"line {call.lineno}: text() has no {language!r}")


def _span(node: ast.expr, starts: list[int]) -> tuple[int, int]:
    if node.end_lineno is None or node.end_col_offset is None:
        raise ValueError("the tree has no positions")
    return (
        starts[node.lineno - 1] + node.col_offset,
        starts[node.end_lineno - 1] + node.end_col_offset,
    )


def _joined(match: re.Match[str]) -> str:
    """Put a call's only argument behind its parenthesis where the line stays short."""
    line = f"{match['head']}{match['body']})"
    return line if len(line) <= _LINE_CHARACTERS else match[0]
