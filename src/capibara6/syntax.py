"""Python's syntax trees, also from a Python that miscounts while it makes them."""

import ast
from typing import Final

_ATTEMPTS: Final = 5
_KEPT: Final = "_capibara6_nodes"  # the attribute of a tree that keeps its nodes
_CONTEXTS: Final = (ast.Load, ast.Store, ast.Del)


def parse(source: str) -> ast.Module:
    """Return the syntax tree of a program.

    CPython before 3.11.8 (Debian 12 has 3.11.2) counts the depth of all trees that are being made
    in one place. Where another thread's turn comes in between, it takes a whole tree for a broken
    one: SystemError, "AST constructor recursion depth mismatch" (python/cpython#106905).

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: as of `ast.parse`.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return ast.parse(source)
        except SystemError:
            continue
    return ast.parse(source)


def nodes(tree: ast.Module) -> list[ast.AST]:
    """All nodes of a tree, breadth first as of `ast.walk`, but for the contexts of names.

    They are kept with the tree, which must not change afterwards: who looks at a program from
    twenty sides walks through it once.
    """
    kept: list[ast.AST] | None = getattr(tree, _KEPT, None)
    if kept is None:
        kept = [tree]
        for node in kept:  # it grows meanwhile
            for name in node._fields:
                value = getattr(node, name, None)
                if isinstance(value, list):
                    kept += [one for one in value if isinstance(one, ast.AST)]
                elif isinstance(value, ast.AST) and not isinstance(value, _CONTEXTS):
                    kept.append(value)
        setattr(tree, _KEPT, kept)
    return kept
