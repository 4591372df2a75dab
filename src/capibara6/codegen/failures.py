"""A failed attempt as a prompt tells it: the program, its fault, and what it printed. Pure."""

import re
from typing import Final

from capibara6.codegen.budget import shortened, tail
from capibara6.codegen.wording import Wording
from capibara6.domain.executions import ExecutionResult
from capibara6.domain.programs import Failure, Finding

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CODE_SHARE: Final = 0.6  # of the budget: the program matters more than its traceback
_TRACEBACK_CHARS_MAX: Final = 2_000
_PRINTED_CHARS_MAX: Final = 600
_FINDINGS_MAX: Final = 10


def described_failure(failure: Failure, words: Wording, chars_max: int) -> tuple[str, str]:
    """The program as the model's own last answer, and the complaint about it.

    Args:
        failure: the attempt before.
        words: in the question's language.
        chars_max: for both together.
    """
    program, diagnosis = failure.program, failure.diagnosis
    code = shortened(program.code.strip("\n"), int(chars_max * _CODE_SHARE), words.cut_mark)
    headline = words.invalid if failure.findings else words.failed
    parts = [headline.format(kind=diagnosis.kind, cause=diagnosis.cause, hint=diagnosis.hint)]
    parts += [_finding_line(finding, words) for finding in failure.findings[:_FINDINGS_MAX]]
    parts += diagnosis.facts
    last = words.again.format(language=program.language)
    room = chars_max - len(code) - len(last) - sum(len(part) + 1 for part in parts)
    if failure.result:
        parts += _evidence(failure.result, words, room)
    return f"```{program.language}\n{code}\n```", "\n".join([*parts, last])


def _finding_line(finding: Finding, words: Wording) -> str:
    line = words.finding.format(
        line=finding.line, column=finding.column, message=finding.message, code=finding.code
    )
    if not finding.suggestion:
        return line
    return line + words.suggestion.format(suggestion=finding.suggestion)


def _evidence(result: ExecutionResult, words: Wording, room: int) -> list[str]:
    """The ends of traceback and output, which say most; nothing where there is no room."""
    parts: list[str] = []
    error = result.error
    raised = (error.traceback or f"{error.name}: {error.value}") if error else result.stderr
    for title, text, limit in (
        (words.traceback, raised, _TRACEBACK_CHARS_MAX),
        (words.printed, result.stdout, _PRINTED_CHARS_MAX),
    ):
        excerpt = tail(_ANSI.sub("", text), min(limit, room - len(title)))
        if excerpt and room > len(title):
            parts += [title, excerpt]
            room -= len(title) + len(excerpt) + 2
    return parts
