"""What a piece of text is as a Python notebook cell: whether it parses, what it defines and needs.

Approximate on purpose: it serves to choose among blocks. Validation is exact and lives elsewhere.
"""

import ast
import builtins
import re
import warnings
from functools import lru_cache
from typing import Final

from capibara6.syntax import parse

CODE_CHARS_MAX: Final = 256 * 1024  # beyond it nothing is parsed in this process
_BUILTINS: Final = frozenset(dir(builtins)) | {"display", "get_ipython", "__file__", "__name__"}
_MAGIC_LINE = re.compile(r"^([ \t]*+)(?:[%!?][^\n]*|[^\n#'\"]*\w\?{1,2}[ \t]*)$", re.MULTILINE)
_MAGIC_VALUE = re.compile(r"^([ \t]*+[\w, \t]++=[ \t]*+)[%!][^\n]*$", re.MULTILINE)


@lru_cache(maxsize=64)
def parsed(code: str) -> ast.Module | None:
    """The syntax tree of a cell, its magics taken as `pass`; None when it does not parse."""
    if len(code) > CODE_CHARS_MAX:
        return None
    source = _MAGIC_VALUE.sub(r"\1None", _MAGIC_LINE.sub(r"\1pass", code))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes are the program's own affair
            return parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def is_program(text: str) -> bool:
    """Whether the text is Python that does something; prose and data may parse but do nothing."""
    tree = parsed(text)
    return tree is not None and any(_acts(statement) for statement in tree.body)


def _acts(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Call | ast.Await)
    return not isinstance(statement, ast.Pass | ast.AnnAssign)


def defined_names(code: str) -> set[str]:
    """Names that a cell binds anywhere: assignments, imports, functions, classes."""
    tree = parsed(code)
    if tree is None:
        return set()
    return {name for node in ast.walk(tree) for name in _bound_by(node)}


def _bound_by(node: ast.AST) -> set[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()):
            return {name}
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return {(alias.asname or alias.name).partition(".")[0] for alias in aliases}
        case ast.arg(arg=name) | ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            return {name}
        case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            return {name}
    return set()


def undefined_names(code: str) -> set[str]:
    """Names that a cell uses and nowhere binds."""
    tree = parsed(code)
    if tree is None:
        return set()
    used = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    return used - defined_names(code) - _BUILTINS
