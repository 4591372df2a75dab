"""Programs as lists of simple statements; what of them a repair put in another's place. Pure."""

import ast
import difflib
import re
from typing import Final

from capibara6.ace.signatures import tree_of

Statement = tuple[int, int, str]  # first line, last line, text
_CHARS_MAX: Final = 140
_SHORT_WORD: Final = re.compile(r"[\w-]{1,12}")


def statements(code: str) -> list[Statement]:
    """Each simple statement, by line; texts that may be data are left out."""
    tree = tree_of(code)
    return sorted(
        (node.lineno, node.end_lineno or node.lineno, _text(node))
        for node in (ast.walk(tree) if tree else ())
        if isinstance(node, ast.stmt) and not hasattr(node, "body")
    )


def replaced(before: list[Statement], after: list[Statement], old: str) -> list[Statement]:
    """The statements of the mended program that stand where one of the failed one did."""
    texts = [text for _, _, text in before]
    matcher = difflib.SequenceMatcher(None, texts, [text for _, _, text in after], autojunk=False)
    for tag, first, last, start, end in matcher.get_opcodes():
        if tag != "equal" and old in texts[first:last]:
            return after[start:end]
    return []


def _text(node: ast.stmt) -> str:
    plain = " ".join(ast.unparse(_Redacted().visit(ast.parse(ast.unparse(node)))).split())
    return plain if len(plain) <= _CHARS_MAX else plain[: _CHARS_MAX - 1] + "…"


class _Redacted(ast.NodeTransformer):
    """Leaves out long texts and those that look like data: a lesson is about calls."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, str) and not _SHORT_WORD.fullmatch(node.value):
            return ast.Constant("…")
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant("…")
