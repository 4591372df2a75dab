"""Lines of a program that it guards itself: what fails there may be meant to. Pure."""

import ast
from typing import Final

from capibara6.syntax import nodes

_CAUGHT: Final = frozenset(
    [
        "AttributeError",
        "BaseException",
        "Exception",
        "FileNotFoundError",
        "IOError",
        "ImportError",
        "ModuleNotFoundError",
        "OSError",
        "TypeError",
    ]
)
_ASKS: Final = frozenset({"hasattr", "getattr", "find_spec", "exists", "isfile", "is_file"})
_VERSIONS: Final = frozenset({"__version__", "version", "version_info", "TYPE_CHECKING"})


def guarded_lines(tree: ast.Module) -> frozenset[int]:
    """The lines within `try` with a handler, or under a condition that asks what there is."""
    lines: set[int] = set()
    for node in nodes(tree):
        if isinstance(node, ast.Try) and any(map(_catches, node.handlers)):
            lines.update(_lines(node.body))
            lines.update(line for handler in node.handlers for line in _lines(handler.body))
        elif isinstance(node, ast.If | ast.IfExp | ast.While) and _asks(node.test):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        elif isinstance(node, ast.With) and any(_suppresses(item) for item in node.items):
            lines.update(_lines(node.body))
    return frozenset(lines)


def _lines(body: list[ast.stmt]) -> range:
    return range(body[0].lineno, (body[-1].end_lineno or body[-1].lineno) + 1) if body else range(0)


def _catches(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(_last_name(node) in _CAUGHT for node in ast.walk(handler.type))


def _asks(test: ast.expr) -> bool:
    return any(_last_name(node) in _ASKS | _VERSIONS for node in ast.walk(test))


def _suppresses(item: ast.withitem) -> bool:
    call = item.context_expr
    return isinstance(call, ast.Call) and _last_name(call.func) in ("suppress", "raises")


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
