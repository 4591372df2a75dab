"""Names and calls that the installed packages do not have: certain failures only. Pure.

The inventory says what is installed; nothing is remembered here. What stands under a guard of the
program's own (`try`, `hasattr`, a comparison of versions) is its own affair.
"""

import ast
import re
import sys
from collections.abc import Iterator
from typing import Final

from capibara6.domain.programs import Finding
from capibara6.inventory import Inventory, Use, uses
from capibara6.validation.guards import guarded_lines
from capibara6.validation.receivers import Place, receivers

NO_PACKAGE: Final = "no-package"
NO_NAME: Final = "no-name"
NO_KEYWORD: Final = "no-keyword"
_STANDARD: Final = sys.stdlib_module_names
_INSTALLS = re.compile(r"\b(?:pip|uv|conda|micropip)\b[^\n]*\binstall\b|sys\.path\b|importlib")
# They make up attributes, but for columns alone, which cannot be called.
_COLUMNS_ONLY: Final = frozenset({"pandas.DataFrame"})
# Their submodules, which are not all listed, become attributes once something has imported them.
_STANDARD_PACKAGES: Final = frozenset(
    [
        "asyncio",
        "collections",
        "concurrent",
        "ctypes",
        "curses",
        "dbm",
        "email",
        "encodings",
        "html",
        "http",
        "importlib",
        "json",
        "logging",
        "multiprocessing",
        "os",
        "sqlite3",
        "tkinter",
        "unittest",
        "urllib",
        "wsgiref",
        "xml",
        "xmlrpc",
        "zoneinfo",
    ]
)


def installed_findings(tree: ast.Module, inventory: Inventory) -> list[Finding]:
    """What a program asks of packages that they do not have, by line.

    Args:
        tree: the program.
        inventory: of the template that it will run in.
    """
    guarded = guarded_lines(tree)
    classes = receivers(tree, inventory)
    found: dict[tuple[int, str], Finding] = {}
    for use in uses(tree):
        if use.line in guarded:
            continue
        for finding in _about(_resolved(use, classes), inventory):
            found.setdefault((finding.line, finding.message), finding)
    return sorted(found.values(), key=lambda finding: (finding.line, finding.column))


def installs_packages(source: str) -> bool:
    """Whether a program may install what is not there."""
    return _INSTALLS.search(source) is not None


def _resolved(use: Use, classes: dict[Place, str]) -> Use:
    """With the class of a method's object, where the program says it."""
    owner = classes.get((use.line, use.column, use.name))
    if owner is None or not use.dotted.startswith("."):
        return use
    return Use(f"{owner}{use.dotted}", use.line, use.column)  # its values are not looked at


def _about(use: Use, inventory: Inventory) -> Iterator[Finding]:
    top = use.dotted.partition(".")[0]
    if not top:
        return
    if use.is_import and top not in _STANDARD and not inventory.is_installed(top):
        yield Finding(NO_PACKAGE, f"package `{top}` is not installed", use.line, use.column)
        return
    missing = inventory.missing(use.dotted)
    if missing is not None:
        certain = missing.certain or missing.owner in _COLUMNS_ONLY
        if certain and not (top in _STANDARD_PACKAGES and missing.name.islower()):
            message = f"`{missing.owner}` has no `{missing.name}`{_version(use, inventory)}"
            close = inventory.close(missing.owner, missing.name)
            suggestion = f"{missing.owner}.{close[0]}" if close else ""
            yield Finding(NO_NAME, message, use.line, use.column, suggestion)
        return
    yield from _about_call(use, inventory)


def _about_call(use: Use, inventory: Inventory) -> Iterator[Finding]:
    if not use.keywords or use.unpacked or _is_method(use, inventory):
        return
    entry = inventory.find(use.dotted)
    if entry is None or entry.signature is None:
        return
    for keyword in entry.signature.refused(use.keywords):
        message = f"`{use.dotted}` takes no `{keyword}`{_version(use, inventory)}"
        close = _close(keyword, entry.signature.keywords)
        yield Finding(NO_KEYWORD, message, use.line, use.column, close)


def _is_method(use: Use, inventory: Inventory) -> bool:
    """Whether the function is reached through its class: signatures are those of objects."""
    owner = inventory.find(use.dotted.rpartition(".")[0])
    return owner is not None and owner.kind == "class"


def _close(keyword: str, known: tuple[str, ...]) -> str:
    alike = [name for name in known if keyword in name or name in keyword]
    return min(alike, key=lambda name: abs(len(name) - len(keyword)), default="")


def _version(use: Use, inventory: Inventory) -> str:
    version = inventory.version_of(use.dotted)
    return f" ({version[0]} {version[1]})" if version else ""
