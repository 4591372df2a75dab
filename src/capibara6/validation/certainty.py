"""Which undefined names are certain to fail at run time. Pure.

A linter reports every name that it cannot resolve; some of them are never looked up, or are bound
in ways that only the running program knows.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from capibara6.domain.programs import Finding
from capibara6.validation.cells import Cell, magic_lines

_IPYTHON_NAMES = re.compile(r"In|Out|_{1,3}|_\d+|_i{1,3}|_i\d+|_[iod]h|_exit_code|_nb_\w+")
_BINDS_ANYTHING = re.compile(
    r"\b(?:exec|globals|locals|vars|__import__)\s*\(|\bbuiltins\.\w+\s*=|"
    r"^[ \t]*+%(?:run|pylab|load|loadpy|store|rerun|recall|macro|load_ext)\b",
    re.MULTILINE,
)
_BINDS_NOTHING = re.compile(r"%{1,2}(?:pip|conda|uv|matplotlib|env|set_env|cd|ls|pwd|who|whos)\b")
_WORD = re.compile(r"[^\W\d]\w*")
_LAZY_ANNOTATIONS: Final = (3, 14)  # PEP 649


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of the source: lines from 1, columns from 0 in characters, end excluded."""

    start: tuple[int, int]
    end: tuple[int, int]

    def holds(self, line: int, column: int) -> bool:
        """Whether a place lies inside."""
        return self.start <= (line, column) < self.end


def certain_names(
    findings: Sequence[Finding],
    names: Sequence[str],
    cell: Cell,
    tree: ast.Module | None,
    python: tuple[int, int],
) -> list[Finding]:
    """Keep the findings about names that the program is sure to miss.

    Args:
        findings: undefined names, located in the cell's source.
        names: the name that each finding is about.
        cell: the program.
        tree: its syntax tree; without one nothing is certain.
        python: version of the Python that will run it.
    """
    if not findings or _BINDS_ANYTHING.search(cell.source):
        return []
    if tree is None:
        return []
    spans = _by_line(_unevaluated(tree, cell.source.split("\n"), python))
    bound = _words_of_magics(cell)
    return [
        finding
        for finding, name in zip(findings, names, strict=True)
        if name not in bound
        and not _IPYTHON_NAMES.fullmatch(name)
        and not any(
            span.holds(finding.line, finding.column - 1) for span in spans.get(finding.line, ())
        )
    ]


def _by_line(spans: Iterator[Span]) -> dict[int, list[Span]]:
    found: dict[int, list[Span]] = {}
    for span in spans:
        for line in range(span.start[0], span.end[0] + 1):
            found.setdefault(line, []).append(span)
    return found


def _words_of_magics(cell: Cell) -> set[str]:
    """`%time df = load()`, `%%capture out` and others bind names that no linter sees."""
    lines = (line for line in magic_lines(cell) if not _BINDS_NOTHING.match(line))
    return {word for line in lines for word in _WORD.findall(line)}


def _unevaluated(tree: ast.Module, lines: list[str], python: tuple[int, int]) -> Iterator[Span]:
    """Strings (forward references) and the annotations that nothing evaluates."""
    lazy = python >= _LAZY_ANNOTATIONS or _imports_lazy_annotations(tree)
    pending: list[tuple[ast.AST, bool]] = [(tree, False)]
    while pending:
        node, in_function = pending.pop()
        if isinstance(node, ast.JoinedStr):
            continue  # what stands in its braces is evaluated
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield _span(node, lines)
        for annotation in _annotations(node):
            if lazy or (in_function and isinstance(node, ast.AnnAssign)):
                yield _span(annotation, lines)
        in_function = _is_function(node) or (in_function and not isinstance(node, ast.ClassDef))
        pending += [(child, in_function) for child in ast.iter_child_nodes(node)]


def _annotations(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.AnnAssign(annotation=annotation):
            return [annotation]
        case ast.arg(annotation=ast.expr() as annotation):
            return [annotation]
        case ast.FunctionDef(returns=ast.expr() as returns):
            return [returns]
        case ast.AsyncFunctionDef(returns=ast.expr() as returns):
            return [returns]
    return []


def _imports_lazy_annotations(tree: ast.Module) -> bool:
    return any(
        isinstance(statement, ast.ImportFrom)
        and statement.module == "__future__"
        and any(alias.name == "annotations" for alias in statement.names)
        for statement in tree.body
    )


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def _span(node: ast.expr, lines: list[str]) -> Span:
    end_line, end_byte = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
    return Span(
        (node.lineno, _characters(lines, node.lineno, node.col_offset)),
        (end_line, _characters(lines, end_line, end_byte)),
    )


def _characters(lines: list[str], line: int, bytes_before: int) -> int:
    """A column in bytes, as `ast` counts, in characters, as checkers count."""
    before = lines[line - 1].encode("utf-8", "replace")[:bytes_before]
    return len(before.decode("utf-8", "replace"))
