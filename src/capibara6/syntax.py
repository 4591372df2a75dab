"""Python's syntax trees, also from a Python that miscounts while it makes them."""

import ast
from typing import Final

_ATTEMPTS: Final = 5


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
