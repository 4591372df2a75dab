"""Runs a task's program in a fresh sandbox and says how it did."""

import importlib.resources
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any, Final

from capibara6.domain.executions import ExecutionError, ExecutionRequest, ExecutionResult
from capibara6.domain.ports import Executor
from capibara6.domain.programs import Program
from capibara6.domain.requests import DataFile, Request
from capibara6.evaluation.models.printed import says
from capibara6.evaluation.models.suites import SuiteTask
from capibara6.repair.diagnosis import diagnose_result
from capibara6.streams import closed_after

_MIME: Final = "application/json"
_TEXT_CHARS_MAX: Final = 4_000
_NO_REPORT: Final = ExecutionError("Exit", "The program ended before its tests did.", "")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a program did.

    Attributes:
        kind: class of the failure; "" when it passed.
        visible: whether its user would see an error: it raised, hung or could not be read. What
            only tests know to be wrong is invisible.
        error: the exception, "" when it passed.
        traceback: from the program's own code on; nothing of the tests.
        missing: the package that it could not import.
    """

    passed: bool
    kind: str = ""
    visible: bool = False
    error: str = ""
    traceback: str = ""
    missing: str = ""
    run_s: float = 0.0
    cpu_s: float | None = None
    memory_peak_bytes: int | None = None


class Examiner:
    """Examines programs.

    Args:
        executor: of sandboxes, ours or E2B's.
        template: preset of limits.
        timeout_s: for a program with its tests.
    """

    def __init__(self, executor: Executor, template: str, timeout_s: float) -> None:
        self._executor = executor
        self._template = template
        self._timeout_s = timeout_s
        source = importlib.resources.files(__package__).joinpath("examination.py")
        self._source = source.read_text(encoding="utf-8")

    async def examine(self, task: SuiteTask, code: str) -> Verdict:
        """Run the program as the task asks; a program that fails is data.

        Raises:
            ProviderError: the sandbox could not be had, or was lost.
            RequestError: the program is too large.
        """
        began = time.monotonic()
        errors: list[dict[str, Any]] | None
        if task.is_question:
            files = {DataFile(name, b"").path: content for name, content in task.data.items()}
            result = await self._run(code, files)
            errors = [] if says(_shown(result), task.expected or "") else [_WRONG]
        else:
            nonce = secrets.token_hex(8)
            result = await self._run(self._examination(task, code, nonce), {})
            errors = _report(result, nonce)
        usage = {
            "run_s": time.monotonic() - began,
            "cpu_s": result.usage.cpu_s,
            "memory_peak_bytes": result.usage.memory_peak_bytes,
        }
        return _verdict(result, errors, code, usage)

    def _examination(self, task: SuiteTask, code: str, nonce: str) -> str:
        given = {"code": code, "tests": task.tests, "entry_point": task.entry_point}
        return (
            f"{self._source}\nimport json\n"
            f"_errors = examine(json.loads({json.dumps(given)!r}))\n"
            f'display({{"{_MIME}": {{"nonce": "{nonce}", "errors": _errors}}}}, raw=True)\n'
        )

    async def _run(self, code: str, files: dict[str, bytes]) -> ExecutionResult:
        request = ExecutionRequest(
            code, template=self._template, timeout_s=self._timeout_s, files=files
        )
        async with closed_after(self._executor.execute(request)) as items:
            found = [item async for item in items if isinstance(item, ExecutionResult)]
        return found[-1]


_WRONG: Final[dict[str, Any]] = {
    "name": "WrongAnswer",
    "value": "What it printed does not hold the expected answer.",
    "traceback": "",
    "own": False,
}


def _verdict(
    result: ExecutionResult, errors: list[dict[str, Any]] | None, code: str, usage: dict[str, Any]
) -> Verdict:
    if result.error is not None or errors is None:
        return _failed(result.error or _NO_REPORT, code, visible=True, missing="", usage=usage)
    if not errors:
        return Verdict(passed=True, **usage)
    first = errors[0]
    error = ExecutionError(
        _text(first.get("name")), _text(first.get("value")), _text(first.get("traceback"))
    )
    visible = first.get("own") is True
    return _failed(error, code, visible=visible, missing=_text(first.get("missing")), usage=usage)


def _failed(
    error: ExecutionError, code: str, *, visible: bool, missing: str, usage: dict[str, Any]
) -> Verdict:
    if error.name == _WRONG["name"]:
        kind = "assertion"
    else:
        failed = ExecutionResult(success=False, error=error)
        kind = diagnose_result(failed, Program(code), Request("0" * 32, ""), "en").kind
    told = f"{error.name}: {error.value}"[:_TEXT_CHARS_MAX]
    traceback = error.traceback[-_TEXT_CHARS_MAX:]
    return Verdict(False, kind, visible, told, traceback, missing, **usage)


def _report(result: ExecutionResult, nonce: str) -> list[dict[str, Any]] | None:
    """What the examination displayed, read as untrusted data; None where it displayed nothing."""
    for item in reversed(result.results):
        shown = item.data.get(_MIME)
        if isinstance(shown, dict) and shown.get("nonce") == nonce:
            errors = shown.get("errors")
            if isinstance(errors, list) and all(isinstance(one, dict) for one in errors):
                return errors
    return None


def _shown(result: ExecutionResult) -> str:
    """All that a program said: what it printed and the values it displayed."""
    texts = (item.data.get("text/plain") for item in result.results)
    return "\n".join([result.stdout, *(text for text in texts if isinstance(text, str))])


def _text(value: object) -> str:
    return value[:_TEXT_CHARS_MAX] if isinstance(value, str) else ""
