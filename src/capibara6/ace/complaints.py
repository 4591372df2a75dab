"""What an error says: its words, without colours, and the line of the program it is about. Pure."""

import re
from collections.abc import Sequence
from typing import Final

from capibara6.domain.executions import ExecutionError
from capibara6.domain.programs import Finding

# Rules of the check before a run, and the exceptions that they foresee.
FOUND: Final = {
    "no-package": "ModuleNotFoundError",
    "no-name": "AttributeError",
    "no-keyword": "TypeError",
}
_ANSI: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_WORD: Final = re.compile(r"[\w-]+")
_LINE: Final = re.compile(r"(?:Cell In\[\d+\], line |File \"<[^>]*>\", line )(\d+)")
_OWNER: Final = re.compile(
    r"'(\w+)' object has no attribute|\b([A-Z]\w+)\.\w+\(\)|`(?:\w+\.)+([A-Z]\w+)` has no "
)
_CULPRIT: Final = re.compile(
    r"(?:attribute|import name|keyword argument) '(\w+)'|(?:has|takes) no `(\w+)`"
)


def message(error: ExecutionError) -> str:
    """Its text on one line."""
    return " ".join(_ANSI.sub("", error.value).split())


def words_said(error: ExecutionError) -> frozenset[str]:
    """The words of its text."""
    return frozenset(_WORD.findall(message(error)))


def culprit(error: ExecutionError) -> str:
    """The name that it complains of: the attribute, import or keyword that is not there; or ""."""
    found = _CULPRIT.search(message(error))
    return (found[1] or found[2]) if found else ""


def failing_line(error: ExecutionError) -> int | None:
    """The last line of the program that it passed; None when it names none."""
    found = _LINE.findall(_ANSI.sub("", error.traceback))
    return int(found[-1]) if found else None


def owner_named(error: ExecutionError) -> str:
    """The class that it names: of the object without the attribute, of the method; else ""."""
    found = _OWNER.search(message(error))
    return next(filter(None, found.groups()), "") if found else ""


def error_found(findings: Sequence[Finding]) -> ExecutionError | None:
    """What a check found, as the error that the program would have met; None: another fault.

    Of names and calls that the installed packages do not have alone: what else a check finds, such
    as a name that is spelt wrong, is the program's own.
    """
    for finding in findings:
        if name := FOUND.get(finding.code):
            return ExecutionError(name, finding.message, f"Cell In[1], line {finding.line}")
    return None
