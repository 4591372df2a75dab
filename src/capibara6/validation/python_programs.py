"""Python: syntax errors and undefined names, which `ruff` finds, and what else is certain.

Of packages, files and forbidden names the other modules here know.
"""

import ast
import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from ruff import find_ruff_bin  # type: ignore[import-untyped]  # it ships none

from capibara6.domain.programs import Finding
from capibara6.errors import ConfigurationError
from capibara6.inventory import Inventory
from capibara6.validation.cells import Cell, cell_of, is_automagic, tree_of
from capibara6.validation.certainty import certain_names
from capibara6.validation.files import missing_files
from capibara6.validation.installed import installed_findings, installs_packages
from capibara6.validation.policy import forbidden_uses
from capibara6.validation.processes import run_checker
from capibara6.validation.suggestions import bound_names, suggestion_for

FINDINGS_MAX: Final = 20
SYNTAX_ERROR: Final = "E999"  # ruff's own name for it has changed with its versions
UNDEFINED_NAMES: Final = frozenset({"F821", "F823"})
# The compiler refuses these too, though they are rules of ruff's rather than of its parser.
_COMPILE_ERRORS: Final = (
    *("F404", "F502", "F621", "F622", "F701", "F702", "F704", "F706", "F707"),
    *("PLE0115", "PLE0117", "PLE0118", "PLE1142"),
)
_RULES: Final = ("E9", *sorted(UNDEFINED_NAMES), *_COMPILE_ERRORS)
_NEWEST_KNOWN: Final = (3, 14)
_QUOTED_NAME = re.compile(r"`([^`]+)`")
_PASTED_PROMPT = re.compile(r"^\s*>>>", re.MULTILINE)

InventorySource = Callable[[], Awaitable[Inventory | None]]

_log = logging.getLogger(__name__)


async def nothing_installed() -> Inventory | None:
    """No inventory."""
    return None


class PythonChecker:
    """Checks Python programs as notebook cells.

    Args:
        python: version of the Python that will run them; its syntax is what counts.
        timeout_s: for one check.
        inventory: of the template, asked at each check.
        forbidden: dotted names that programs may not use.

    Raises:
        ConfigurationError: ruff is not installed.
    """

    def __init__(
        self,
        python: tuple[int, int],
        timeout_s: float,
        inventory: InventorySource = nothing_installed,
        forbidden: Sequence[str] = (),
    ) -> None:
        self._python = python
        self._timeout_s = timeout_s
        self._inventory = inventory
        self._forbidden = tuple(forbidden)
        target = min(python, _NEWEST_KNOWN)
        self._command = (
            *(_ruff(), "check", "--isolated", "--no-cache", "--quiet", "--no-fix"),
            *("--ignore-noqa", "--output-format=json-lines", f"--select={','.join(_RULES)}"),
            *(f"--target-version=py{target[0]}{target[1]}", "--stdin-filename=cell.ipynb", "-"),
        )

    async def check(self, code: str, files: Sequence[str] = ()) -> tuple[Finding, ...]:
        """What is certainly wrong, in order of lines; nothing when the check could not be made."""
        cell = cell_of(code)
        if is_automagic(cell):
            return ()
        output = await run_checker(self._command, cell.as_notebook(), self._timeout_s)
        if output.returncode not in (0, 1) and not output.stdout:
            _log.warning(
                "ruff could not check a program of %d characters (%s); it runs unchecked",
                len(code),
                output.stderr.strip()[:200] or f"stopped after {self._timeout_s:g} s",
            )
            return ()
        tree = tree_of(cell)
        judged = self._judged(list(_read(output.stdout)), cell, tree)
        if tree is not None and not any(one.code == SYNTAX_ERROR for one in judged):
            judged += await self._further(tree, cell, files)
        judged.sort(key=lambda finding: (finding.line, finding.column))
        return tuple(
            replace(finding, column=cell.column(finding.line, finding.column))
            for finding in judged[:FINDINGS_MAX]
        )

    async def _further(self, tree: ast.Module, cell: Cell, files: Sequence[str]) -> list[Finding]:
        found = forbidden_uses(tree, self._forbidden) + missing_files(tree, cell.source, files)
        inventory = await self._inventory()
        if inventory is not None and not installs_packages(cell.source):
            found += installed_findings(tree, inventory)
        return found

    def _judged(
        self, findings: list[Finding], cell: Cell, tree: ast.Module | None
    ) -> list[Finding]:
        syntax = [finding for finding in findings if finding.code == SYNTAX_ERROR]
        if syntax:
            # The parser's later errors follow from the first. IPython removes pasted prompts.
            return [] if _PASTED_PROMPT.search(cell.source) else syntax[:1]
        about_names = [finding for finding in findings if finding.code in UNDEFINED_NAMES]
        others = [finding for finding in findings if finding.code not in UNDEFINED_NAMES]
        if not about_names:
            return others
        names = [name_in(finding.message) for finding in about_names]
        certain = certain_names(about_names, names, cell, tree, self._python)[:FINDINGS_MAX]
        bound = bound_names(tree) if tree and certain else []
        suggested = [_with_suggestion(finding, bound) for finding in certain]
        return sorted(others + suggested, key=lambda finding: (finding.line, finding.column))


def name_in(message: str) -> str:
    """The name that a finding is about; "" when it names none."""
    quoted = _QUOTED_NAME.search(message)
    return quoted[1] if quoted else ""


def _ruff() -> str:
    try:
        return str(find_ruff_bin())
    except FileNotFoundError as missing:
        raise ConfigurationError(
            "ruff", None, f"not installed ({missing})", "Install the requirements again."
        ) from None


def _read(lines: str) -> Iterator[Finding]:
    for line in lines.splitlines(keepends=True):
        if not line.endswith("\n"):
            return  # cut at the limit of a checker's output
        item = json.loads(line)
        code = item.get("code")
        yield Finding(
            code=SYNTAX_ERROR if code in (None, "invalid-syntax") else code,
            message=item["message"].replace("on cell 1, line", "on line"),
            line=item["location"]["row"],
            column=item["location"]["column"],
        )


def _with_suggestion(finding: Finding, bound: list[str]) -> Finding:
    if finding.code != "F821":
        return finding  # the name exists, and is used too early
    return replace(finding, suggestion=suggestion_for(name_in(finding.message), bound))
