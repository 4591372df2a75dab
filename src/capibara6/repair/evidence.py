"""What a failed execution shows: the error, the line of the program, the frames it passed. Pure."""

import re
from dataclasses import dataclass

from capibara6.domain.executions import ExecutionResult

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CELL_LINE = re.compile(
    r"(?:Cell In\[\d+\], line |<ipython-input[^>]*>[^\n]{0,80}?, line |"
    r"<ipython-input[^>]*> in [^\n]{0,80}?\n-+> |"
    r"File \"<(?:stdin|string|cell|unknown)[^\n>]*>\", line |"
    r"^\S*\.py\", line )(\d+)",
    re.MULTILINE,
)
_SYNTAX_LINE = re.compile(r"line (\d+)\)\s*$")
_STDERR_ERROR = re.compile(r"^(?:\w+\.)*(\w*(?:Error|Exception|Interrupt)): ?(.*)$", re.MULTILINE)
_TRACEBACK = "Traceback (most recent call last)"
# An exception whose name does not say what it is, below the indented lines of its frames.
_AFTER_FRAMES = re.compile(r"^ +\S.*\n(?:\w+\.)*([A-Z]\w+)(?:: ?(.*))?$", re.MULTILINE)
# What tools and shells say of a program that ended without an exception of its own.
_ENDINGS = (
    ("OutOfMemory", re.compile(r"^Killed\b|[Oo]ut of memory|oom-kill", re.MULTILINE)),
    ("Timeout", re.compile(r"[Tt]imed out|[Tt]ime ?out\b|[Tt]ime limit")),
    ("FileNotFoundError", re.compile(r"No such file or directory")),
    ("PermissionError", re.compile(r"Permission denied")),
    ("SandboxDied", re.compile(r"[Ss]egmentation fault|core dumped")),
)
_STDERR_TAIL_CHARS = 8_000
_VALUE_CHARS_MAX = 3_000
_TRACEBACK_CHARS_MAX = 200_000


@dataclass(frozen=True, slots=True)
class Evidence:
    """An error as plain text.

    Attributes:
        name: the exception's class without its module, or the limit's name.
        value: its text.
        traceback: without colours.
        line: of the program, from 1; None when it is not known.
    """

    name: str
    value: str
    traceback: str
    line: int | None = None


def evidence_of(result: ExecutionResult) -> Evidence:
    """Read a failed result; without an error of its own, the end of stderr speaks."""
    error = result.error
    if error is None:
        return _spoken(_ANSI.sub("", result.stderr)[-_STDERR_TAIL_CHARS:])
    value = _bounded(_ANSI.sub("", error.value), _VALUE_CHARS_MAX)
    traceback = _bounded(_ANSI.sub("", error.traceback), _TRACEBACK_CHARS_MAX)
    name = error.name.rpartition(".")[2]
    return Evidence(name, value, traceback, _line_in(traceback, value))


def _bounded(text: str, chars_max: int) -> str:
    """Beginning and end of a text: an error of any length is read in a moment."""
    if len(text) <= chars_max:
        return text
    return f"{text[: chars_max // 2]}…{text[-chars_max // 2 :]}"


def _spoken(stderr: str) -> Evidence:
    """The last exception that a program's error output tells, or what ended it."""
    found = list(_STDERR_ERROR.finditer(stderr))
    if _TRACEBACK in stderr:
        found += _AFTER_FRAMES.finditer(stderr)
    if not found:
        last = stderr.strip().rpartition("\n")[2][:_VALUE_CHARS_MAX]
        ended = next((name for name, pattern in _ENDINGS if pattern.search(stderr)), "")
        return Evidence(ended, last, stderr)
    error = max(found, key=lambda one: one.start(1))
    value = stderr[error.start(2) :].strip() if error[2] is not None else ""
    value = _bounded(value, _VALUE_CHARS_MAX)
    return Evidence(error[1], value, stderr, _line_in(stderr, value.partition("\n")[0]))


def _line_in(traceback: str, value: str) -> int | None:
    """The last line of the program itself that the error passed."""
    if syntax := _SYNTAX_LINE.search(value):
        return int(syntax[1])
    lines = _CELL_LINE.findall(traceback)
    return int(lines[-1]) if lines else None
