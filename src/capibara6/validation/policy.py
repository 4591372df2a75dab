"""Capabilities that the operator does not want programs to use. Advice; the sandbox is the wall."""

import ast
from collections.abc import Sequence
from typing import Final

from capibara6.domain.programs import Finding
from capibara6.inventory import uses

FORBIDDEN: Final = "forbidden"


def forbidden_uses(tree: ast.Module, forbidden: Sequence[str]) -> list[Finding]:
    """Where a program imports, reads or calls what is forbidden.

    Args:
        tree: the program.
        forbidden: dotted names such as `subprocess` or `os.system`; all below one is forbidden too.
    """
    found: dict[tuple[int, str], Finding] = {}
    for use in uses(tree) if forbidden else ():
        for name in forbidden:
            if use.dotted == name or use.dotted.startswith(f"{name}."):
                message = f"`{use.dotted}` is forbidden here"
                finding = Finding(FORBIDDEN, message, use.line, use.column)
                found.setdefault((use.line, name), finding)
    return list(found.values())
