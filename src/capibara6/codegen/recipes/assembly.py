"""From a program file and its parameters to the program that runs in the sandbox.

A file under programs/ is real Python with three conventions, undone here: a block of parameters
(replaced by literals), `from prelude import *` (replaced by the parts of prelude.py that the
program uses), and `text(en=…, es=…)` (replaced by one language).
"""

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from capibara6.codegen.recipes.literals import literal
from capibara6.codegen.recipes.localisation import localise
from capibara6.syntax import parse

# Parameters of the prelude, which describe the file; those that a program uses stand at its top.
FILE_PARAMETERS = (
    "FILE",
    "DELIMITER",
    "ENCODING",
    "HEADER",
    "DECIMAL_COMMA",
    "DAY_FIRST",
    "ROWS_READ",
    "NUMBERS",
    "DATES",
    "FILTERS",
)

_PRELUDE = "prelude"
_BLOCK = re.compile(r"# Parameters\n(?P<body>.*?)# End of parameters\n", re.S)


@dataclass(frozen=True, slots=True)
class _Part:
    """A function or assignment of the prelude."""

    name: str
    source: str
    uses: frozenset[str]


def assemble(
    name: str, reader: str, language: str, parameters: Mapping[str, object], heading: str
) -> str:
    """Make a runnable program.

    Args:
        name: the program's file under programs/, without its ending.
        reader: the function of the prelude that reads the file, such as "read_delimited".
        language: "es" or "en".
        parameters: at least every parameter of the program and of the used part of the prelude.
        heading: lines of comment for the top, in the user's language.

    Raises:
        TypeError: a parameter is not a plain value.
        KeyError: a parameter that the program needs is missing.
    """
    source = _source(name).replace("read_table()", f"{reader}()")
    if not parameters["FILTERS"]:
        source = source.replace(f"keep_rows({reader}())", f"{reader}()")
    own = _block_names(source)
    imports, body = _split_imports(localise(_BLOCK.sub("", source, count=1), language))
    parts = _needed(_names(parse(body)), _prelude_parts(language))
    used = _names(parse(body)).union(*(part.uses for part in parts))
    shown = [key for key in FILE_PARAMETERS if key in used] + own
    sections = (
        "\n".join(f"# {line}".rstrip() for line in heading.splitlines()),
        _import_lines([*imports, *_split_imports(_source(_PRELUDE))[0]], used),
        "\n".join(f"{key} = {literal(parameters[key])}" for key in shown),
        "\n\n\n".join(part.source for part in parts),
    )
    return "\n\n".join(sections) + "\n\n\n" + body.strip() + "\n"


@cache
def _source(name: str) -> str:
    folder = resources.files("capibara6.codegen.recipes") / "programs"
    return (folder / f"{name}.py").read_text(encoding="utf-8")


def _block_names(source: str) -> list[str]:
    block = _BLOCK.search(source)
    return [_target(node) for node in parse(block["body"]).body] if block else []


def _target(node: ast.stmt) -> str:
    """Return the name that a definition or assignment binds; empty for other statements."""
    if isinstance(node, ast.FunctionDef):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return ""


def _names(tree: ast.AST) -> frozenset[str]:
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


def _split_imports(source: str) -> tuple[list[str], str]:
    """Separate the import statements from the rest; docstring and prelude import fall away."""
    lines = source.splitlines()
    tree = parse(source)
    found, dropped = list[str](), set[int]()
    for node in tree.body:
        is_docstring = node is tree.body[0] and isinstance(node, ast.Expr)
        if is_docstring or isinstance(node, ast.Import | ast.ImportFrom):
            dropped.update(range(node.lineno - 1, node.end_lineno or node.lineno))
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.append("\n".join(lines[node.lineno - 1 : node.end_lineno]))
    rest = "\n".join(line for index, line in enumerate(lines) if index not in dropped)
    return [line for line in found if line != f"from {_PRELUDE} import *"], rest


@cache
def _prelude_parts(language: str) -> tuple[_Part, ...]:
    source = localise(_source(_PRELUDE), language)
    lines = source.splitlines()
    return tuple(
        _Part(_target(node), "\n".join(lines[node.lineno - 1 : node.end_lineno]), _names(node))
        for node in parse(source).body
        if _target(node)
    )


def _needed(names: frozenset[str], parts: Iterable[_Part]) -> tuple[_Part, ...]:
    """Choose the parts that are used, directly or by another chosen part, in their order."""
    available = tuple(parts)
    chosen: frozenset[str] = frozenset()
    while True:
        wanted = {part.name for part in available if part.name in names}
        if wanted <= chosen:
            return tuple(part for part in available if part.name in chosen)
        chosen |= wanted
        names = names.union(*(part.uses for part in available if part.name in chosen))


def _import_lines(statements: Iterable[str], used: frozenset[str]) -> str:
    """Keep the imports of names that are used: standard library first, then the rest."""
    kept = {line for line in statements if _bound(line) & used}
    standard = {line for line in kept if line.split()[1].split(".")[0] in _STANDARD}
    groups = (sorted(standard, key=_import_key), sorted(kept - standard, key=_import_key))
    return "\n\n".join("\n".join(group) for group in groups if group)


_STANDARD = frozenset(("json", "warnings", "pathlib", "math"))


def _bound(statement: str) -> frozenset[str]:
    node = parse(statement).body[0]
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return frozenset()
    return frozenset(alias.asname or alias.name.split(".")[0] for alias in node.names)


def _import_key(line: str) -> tuple[bool, str]:
    return line.startswith("from"), line.lower()
