"""The port `Validator`: each language has its checker, and a language without one passes."""

import sys
from collections.abc import Sequence
from typing import Final, Protocol

from capibara6.domain.programs import Finding, Program
from capibara6.validation.python_programs import (
    InventorySource,
    PythonChecker,
    nothing_installed,
)
from capibara6.validation.scripts import BashChecker, JavaScriptChecker

CODE_CHARS_MAX: Final = 1024 * 1024  # longer programs are not checked; the sandbox judges them


class Checker(Protocol):
    """Checks programs of one language."""

    async def check(self, code: str, files: Sequence[str] = ()) -> tuple[Finding, ...]:
        """What is certainly wrong; `files` are the paths of the data that it gets."""
        ...


class ProgramValidator:
    """Finds what is certain to fail, in milliseconds and without running anything.

    Args:
        python: version of the sandbox's Python; by default that of this process, from which the
            embedded templates are built.
        timeout_s: for one check; a program whose check takes longer runs unchecked.
        inventory: of the template, asked at each check; without one nothing is said of packages.
        forbidden: dotted names that programs may not use.

    Raises:
        ConfigurationError: ruff is not installed.
    """

    def __init__(
        self,
        python: tuple[int, int] = (sys.version_info.major, sys.version_info.minor),
        timeout_s: float = 5.0,
        inventory: InventorySource = nothing_installed,
        forbidden: Sequence[str] = (),
    ) -> None:
        javascript, bash = JavaScriptChecker(timeout_s), BashChecker(timeout_s)
        self._checkers: dict[str, Checker] = {
            "python": PythonChecker(python, timeout_s, inventory, forbidden),
            "javascript": javascript,
            "js": javascript,
            "bash": bash,
            "sh": bash,
        }

    async def validate(self, program: Program, files: Sequence[str] = ()) -> tuple[Finding, ...]:
        """Return what is certainly wrong; an empty tuple means the program may run."""
        checker = self._checkers.get(program.language)
        if checker is None or len(program.code) > CODE_CHARS_MAX:
            return ()
        return await checker.check(program.code, files)
