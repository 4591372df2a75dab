"""Puts the names of parameters where a program writes their values. Pure."""

import ast
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

# Numbers given so are about looks, whatever the question says.
_COSMETIC_TEXT: Final = (
    "figsize dpi rotation fontsize labelsize alpha linewidth lw pad ha va color colors cmap style "
    "marker decimals ndigits random_state"
)
COSMETIC: Final = frozenset(_COSMETIC_TEXT.split())
_ROUND: Final = "round"
_DATED: Final = re.compile(r"\d{4}(?:-\d{2}){0,2}")


@dataclass(frozen=True, slots=True)
class Inside:
    """A value within longer texts, and its parameter."""

    pattern: re.Pattern[str]
    name: str


class Replacer(ast.NodeTransformer):
    """Replaces values by parameters, and counts.

    Args:
        exact: parameters by whole texts.
        numbers: parameters by numbers.
        inside: what may stand within texts.

    Attributes:
        counts: how often each parameter was put anywhere.
        exactly: how often in place of a whole text or number.
        dates: how often at the beginning of a date in a text.
    """

    def __init__(
        self, exact: Mapping[str, str], numbers: Mapping[float, str], inside: Sequence[Inside]
    ) -> None:
        self._exact = exact
        self._numbers = numbers
        self._inside = inside
        self.counts: Counter[str] = Counter()
        self.exactly: Counter[str] = Counter()
        self.dates: Counter[str] = Counter()

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """Replace a whole text or number, or parts of a text."""
        if isinstance(node.value, str):
            return self._of_text(node, node.value)
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            return node
        name = self._numbers.get(node.value)
        return self._named(name) if name else node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Leave docstrings."""
        if isinstance(node.value, ast.Constant):
            return node  # a docstring
        return self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        """Leave what is about looks."""
        return node if node.arg in COSMETIC else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Leave numbers of decimals."""
        if not is_rounding(node):
            return self.generic_visit(node)
        node.func = self.visit(node.func)
        if isinstance(node.func, ast.Name) and node.args:
            node.args[0] = self.visit(node.args[0])
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """Replace within the plain parts and the expressions, not the formats."""
        parts: list[ast.expr] = []
        for part in node.values:
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                parts += self._parts(part.value)
            elif isinstance(part, ast.FormattedValue):
                part.value = self.visit(part.value)
                parts.append(part)
        return ast.JoinedStr(parts)

    def _named(self, name: str) -> ast.Name:
        self.counts[name] += 1
        self.exactly[name] += 1
        return ast.Name(name, ast.Load())

    def _of_text(self, node: ast.Constant, text: str) -> ast.AST:
        name = self._exact.get(text)
        if name:
            return self._named(name)
        parts = self._parts(text)
        whole = len(parts) == 1 and isinstance(parts[0], ast.Constant)
        return node if whole or not parts else ast.JoinedStr(parts)

    def _parts(self, text: str) -> list[ast.expr]:
        """A text as parts of an f-string, the first match of the first pattern on."""
        for one in self._inside:
            if found := one.pattern.search(text):
                self.counts[one.name] += 1
                self.dates[one.name] += bool(_DATED.fullmatch(text))
                value = ast.FormattedValue(ast.Name(one.name, ast.Load()), -1, None)
                before, after = text[: found.start()], text[found.end() :]
                return [*self._parts(before), value, *self._parts(after)]
        return [ast.Constant(text)] if text else []


def is_rounding(node: ast.Call) -> bool:
    """Whether a call rounds: its number is one of decimals."""
    return (isinstance(node.func, ast.Name) and node.func.id == _ROUND) or (
        isinstance(node.func, ast.Attribute) and node.func.attr == _ROUND
    )
