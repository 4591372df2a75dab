"""Runs a task's program in a fresh sandbox and says how it did."""

import importlib.resources
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Final

from capibara6.domain.executions import ExecutionError, ExecutionRequest, ExecutionResult
from capibara6.domain.ports import Executor
from capibara6.domain.programs import Program
from capibara6.domain.requests import DataFile, Request
from capibara6.evaluation.models.printed import says
from capibara6.evaluation.models.selection import (
    inquiry_cell,
    shown,
    signals_of_function,
    signals_of_question,
)
from capibara6.evaluation.models.suites import SuiteTask
from capibara6.repair.diagnosis import diagnose_result
from capibara6.streams import closed_after

_MIME: Final = "application/json"
_TEXT_CHARS_MAX: Final = 4_000
_NAME_CHARS_MAX: Final = 80
_PACKAGES_MAX: Final = 20
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
        signals: what the search among candidates goes by; nothing of the tests.
    """

    passed: bool
    kind: str = ""
    visible: bool = False
    error: str = ""
    traceback: str = ""
    missing: str = ""
    signals: dict[str, Any] = field(default_factory=dict)
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

    async def examine(self, task: SuiteTask, code: str, *, search: bool = False) -> Verdict:
        """Run the program as the task asks; a program that fails is data.

        Args:
            task: with the tests.
            code: the program.
            search: whether to ask of it, before the tests, what a search would ask.

        Raises:
            ProviderError: the sandbox could not be had, or was lost.
            RequestError: the program is too large.
        """
        began = time.monotonic()
        errors: list[dict[str, Any]] | None
        if task.is_question:
            files = {DataFile(name, b"").path: content for name, content in task.data.items()}
            result = await self._run(code, files)
            errors = [] if says(shown(result), task.expected or "") else [_WRONG]
            signals = signals_of_question(result)
        else:
            nonce = secrets.token_hex(8)
            inquiry = inquiry_cell(task, code) if search else ""
            result = await self._run(inquiry + self._examination(task, code, nonce), {})
            report = _report(result, nonce)
            errors = report["errors"] if report else None
            signals = _explanations(report) | (signals_of_function(result) if search else {})
        usage = {
            "signals": signals,
            "run_s": time.monotonic() - began,
            "cpu_s": result.usage.cpu_s,
            "memory_peak_bytes": result.usage.memory_peak_bytes,
        }
        return _verdict(result, errors, code, usage)

    def _examination(self, task: SuiteTask, code: str, nonce: str) -> str:
        given = {"code": code, "tests": task.tests, "entry_point": task.entry_point}
        return (
            f"{self._source}\nimport json\n"
            f"_report = examine(json.loads({json.dumps(given)!r}))\n"
            f'display({{"{_MIME}": {{"nonce": "{nonce}", "report": _report}}}}, raw=True)\n'
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


def _report(result: ExecutionResult, nonce: str) -> dict[str, Any] | None:
    """What the examination displayed, read as untrusted data; None where it displayed nothing."""
    for item in reversed(result.results):
        found = item.data.get(_MIME)
        if isinstance(found, dict) and found.get("nonce") == nonce:
            report = found.get("report")
            errors = report.get("errors") if isinstance(report, dict) else None
            if isinstance(errors, list) and all(isinstance(one, dict) for one in errors):
                return report
    return None


def _explanations(report: dict[str, Any] | None) -> dict[str, Any]:
    """What of a report explains its failures: whether it looked outside, and the packages."""
    if not report or not report["errors"]:
        return {}
    versions = report.get("versions")
    known = list(versions.items())[:_PACKAGES_MAX] if isinstance(versions, dict) else []
    return {
        "outside": report.get("outside") is True,
        "package": _text(report["errors"][0].get("package"))[:_NAME_CHARS_MAX],
        "versions": {_text(k)[:_NAME_CHARS_MAX]: _text(v)[:_NAME_CHARS_MAX] for k, v in known},
    }


def _text(value: object) -> str:
    return value[:_TEXT_CHARS_MAX] if isinstance(value, str) else ""
