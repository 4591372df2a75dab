"""Data files that a program reads and that will not be there. Pure.

Certain only where the program makes no files of its own and reads them by plain names.
"""

import ast
import difflib
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Final

from capibara6.domain.programs import Finding
from capibara6.inventory import uses
from capibara6.syntax import nodes
from capibara6.validation.guards import guarded_lines

NO_FILE: Final = "no-file"
HOME: Final = "/home/user"
_READS: Final = frozenset(
    {"numpy.loadtxt", "numpy.genfromtxt", "PIL.Image.open", "matplotlib.pyplot.imread"}
    | {
        f"pandas.read_{name}"
        for name in [
            "csv",
            "excel",
            "feather",
            "fwf",
            "json",
            "orc",
            "parquet",
            "pickle",
            "sas",
            "spss",
            "stata",
            "table",
            "xml",
        ]
    }
)
_PATH_KEYWORDS: Final = frozenset(
    {"filepath_or_buffer", "io", "path_or_buf", "path", "fname", "fp"}
)
_MAKES: Final = (
    *(
        "to_",
        "write",
        "save",
        "dump",
        "extract",
        "download",
        "urlretrieve",
        "copy",
        "move",
        "touch",
    ),
    *("mkdir", "chdir", "symlink", "rename", "run", "system", "popen", "check_", "call", "unpack"),
)
_READ_MODES: Final = frozenset({"r", "rb", "rt", "br", "tr"})
_FAR: Final = ("http:", "https:", "ftp:", "s3:", "gs:", "data:", "file:", "~", "$")


def missing_files(tree: ast.Module, source: str, known: Sequence[str]) -> list[Finding]:
    """What a program reads that nobody brings.

    Args:
        tree: the program.
        source: its text; magics and shell lines can make files.
        known: paths of the files that it gets.
    """
    if _may_make_files(tree, source):
        return []
    there = {_absolute(path) for path in known}
    left_out = guarded_lines(tree) | _uncalled_lines(tree)
    found = []
    for call, path in _read(tree):
        if call.lineno in left_out or not _is_plain(path) or _absolute(path) in there:
            continue
        message = f"there is no file `{path}`" + _brought(known)
        suggestion = _like(path, known)
        found.append(Finding(NO_FILE, message, call.lineno, call.col_offset + 1, suggestion))
    return found


def _uncalled_lines(tree: ast.Module) -> frozenset[int]:
    """Lines of functions that the program defines and does not use: others may, elsewhere."""
    used = {node.id for node in nodes(tree) if isinstance(node, ast.Name)}
    used |= {node.attr for node in nodes(tree) if isinstance(node, ast.Attribute)}
    lines: set[int] = set()
    for node in nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name not in used:
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return frozenset(lines)


def _read(tree: ast.Module) -> Iterable[tuple[ast.Call, str]]:
    found = [use for use in uses(tree) if use.dotted in _READS]
    places = {(use.line, use.column) for use in found}
    # `pd.read_csv(x).squeeze("columns")` begins where its first call does.
    named = {(use.line, use.column, use.name) for use in found}
    for node in nodes(tree):
        if not isinstance(node, ast.Call):
            continue
        place = (node.func.lineno, node.func.col_offset + 1)
        if isinstance(node.func, ast.Name):
            reads = node.func.id == "open" or place in places
        else:
            reads = (*place, _last_name(node.func)) in named
        if reads:
            path = _path_of(node)
            if path is not None:
                yield node, path


def _path_of(call: ast.Call) -> str | None:
    values = [*call.args[:1], *(k.value for k in call.keywords if k.arg in _PATH_KEYWORDS)]
    for value in values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value.value
    return None


def _may_make_files(tree: ast.Module, source: str) -> bool:
    if any(line.lstrip().startswith(("%", "!")) for line in source.splitlines()):
        return True
    for node in nodes(tree):
        if isinstance(node, ast.Call):
            name = _last_name(node.func)
            if name.startswith(_MAKES) or (name == "open" and not _only_reads(node)):
                return True
    return False


def _only_reads(call: ast.Call) -> bool:
    modes = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "mode")]
    if not modes:
        return True
    mode = modes[0]
    return isinstance(mode, ast.Constant) and mode.value in _READ_MODES


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_plain(path: str) -> bool:
    """Whether a path means a file of the user's: elsewhere a sandbox has files of its own."""
    if not path or path.startswith(_FAR) or "\0" in path:
        return False
    return not path.startswith("/") or path.startswith((f"{HOME}/", "/mnt/data/"))


def _absolute(path: str) -> str:
    return str(PurePosixPath(HOME, path))


def _brought(known: Sequence[str]) -> str:
    names = ", ".join(f"`{PurePosixPath(path).name}`" for path in known[:5])
    return f"; there is {names}" if names else "; the request brings none"


def _like(path: str, known: Sequence[str]) -> str:
    names = {PurePosixPath(one).name: one for one in known}
    close = difflib.get_close_matches(PurePosixPath(path).name, names, 1, 0.4)
    return names[close[0]] if close else (known[0] if len(known) == 1 else "")
