"""The names of packages that a program uses, through whatever its imports call them. Pure.

`import numpy as np; np.trapz(y, x=t)` uses `numpy.trapz` with the keyword `x`. Of a method, whose
object's class only a run would tell, the dotted name begins with a full stop: `.applymap`.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from capibara6.syntax import nodes

USES_MAX: Final = 5_000
_KEPT: Final = "_capibara6_uses"  # the attribute of a tree that keeps its uses
_WORD_GIVEN: Final = re.compile(r"[\w-]{1,24}")


@dataclass(frozen=True, slots=True)
class Use:
    """One place where a name is imported, read or called.

    Attributes:
        dotted: through the imports, or `.method` on an object of unknown class.
        keywords: with which it is called; None: it is not called.
        positional: how many values it is given by position.
        unpacked: whether the call holds `*values` or `**keywords`.
        is_import: it stands in an import statement.
        texts: short words that the call is given, each with its keyword or "".
    """

    dotted: str
    line: int  # from 1
    column: int  # from 1
    keywords: tuple[str, ...] | None = None
    positional: int = 0
    unpacked: bool = False
    is_import: bool = False
    texts: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The last part of the name."""
        return self.dotted.rpartition(".")[2]


def uses(tree: ast.Module) -> tuple[Use, ...]:
    """The uses in a program, by line; at most `USES_MAX`.

    A name that the program also binds otherwise than by imports is not taken for the import. They
    are kept with the tree, as `syntax.nodes` are.
    """
    kept: tuple[Use, ...] | None = getattr(tree, _KEPT, None)
    if kept is None:
        kept = _uses(tree)
        setattr(tree, _KEPT, kept)
    return kept


def _uses(tree: ast.Module) -> tuple[Use, ...]:
    imports = _imports(tree)
    called = {id(node.func): node for node in nodes(tree) if isinstance(node, ast.Call)}
    inner = {id(node.value) for node in nodes(tree) if isinstance(node, ast.Attribute)}
    found = list(_imported(tree))
    for node in nodes(tree):
        if len(found) >= USES_MAX:
            break
        whole = isinstance(node, ast.Attribute | ast.Name) and id(node) not in inner
        call = called.get(id(node))
        dotted = _dotted(node, imports) if whole or call else None
        if dotted:
            found.append(_use(node, dotted, call))
    return tuple(sorted(found, key=lambda use: (use.line, use.column)))


def _use(node: ast.AST, dotted: str, call: ast.Call | None) -> Use:
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
    if call is None:
        return Use(dotted, line, column)
    keywords = tuple(keyword.arg for keyword in call.keywords if keyword.arg is not None)
    starred = any(isinstance(value, ast.Starred) for value in call.args)
    unpacked = starred or len(keywords) < len(call.keywords)
    texts = tuple(_texts(call))
    return Use(dotted, line, column, keywords, len(call.args), unpacked, texts=texts)


def _texts(call: ast.Call) -> Iterator[tuple[str, str]]:
    given = [("", value) for value in call.args]
    given += [(keyword.arg, keyword.value) for keyword in call.keywords if keyword.arg]
    for name, value in given:
        text = value.value if isinstance(value, ast.Constant) else None
        if isinstance(text, str) and _WORD_GIVEN.fullmatch(text):
            yield name, text


def _dotted(node: ast.AST, imports: dict[str, str]) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name) and node.id in imports:
        return ".".join([imports[node.id], *reversed(parts)])
    return f".{parts[0]}" if parts else None


def _imports(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for."""
    found: dict[str, str] = {}
    rebound: set[str] = set()
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                found[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            rebound.add(node.id)
        elif isinstance(node, ast.arg):
            rebound.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            rebound.add(node.name)
    return {name: dotted for name, dotted in found.items() if name not in rebound}


def _imported(tree: ast.Module) -> Iterator[Use]:
    for node in nodes(tree):
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Use(alias.name, line, column, is_import=True)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                dotted = node.module if alias.name == "*" else f"{node.module}.{alias.name}"
                yield Use(dotted, line, column, is_import=True)
