"""Which of several candidates is kept: as the product's search decides, never by the suite's tests.

What a search asks of a candidate is asked in the same sandbox, before the tests, and kept with the
sample, so that the choice can be made again without running anything.
"""

from collections.abc import Sequence
from typing import Any, Final

from capibara6.domain.executions import ExecutionResult
from capibara6.evaluation.models.suites import SuiteTask
from capibara6.search.choice import Tried, choose
from capibara6.search.examination import Examined, Inquiry, cell, examined, inquiry
from capibara6.store import ModelSample

_ASKED_S: Final = 8.0  # for all that a search asks of one candidate
_SAID_CHARS_MAX: Final = 100_000
_SHOWN_CHARS_MAX: Final = 10_000
_MARK: Final = "capibara6-examined "


def inquiry_cell(task: SuiteTask, code: str) -> str:
    """The part of the examination that a search asks for."""
    return cell(code, inquiry(task.prompt), _ASKED_S) + "\n"


def signals_of_function(result: ExecutionResult) -> dict[str, Any]:
    """What a candidate was found to do, as the examination printed it."""
    lines = [line for line in result.stdout.splitlines() if line.startswith(_MARK)]
    return {"said": "\n".join(lines)[:_SAID_CHARS_MAX]}


def signals_of_question(result: ExecutionResult) -> dict[str, Any]:
    """What a candidate's user sees."""
    return {"ran": result.success, "shown": shown(result)[:_SHOWN_CHARS_MAX]}


def shown(result: ExecutionResult) -> str:
    """All that a program said: what it printed and the values it displayed."""
    texts = (item.data.get("text/plain") for item in result.results)
    return "\n".join([result.stdout, *(text for text in texts if isinstance(text, str))])


def select(task: SuiteTask, candidates: Sequence[ModelSample]) -> ModelSample:
    """The candidate that the search keeps."""
    asked = Inquiry() if task.is_question else inquiry(task.prompt)
    return candidates[choose(asked, [_tried(one) for one in candidates]).best]


def _tried(sample: ModelSample) -> Tried:
    signals = sample.signals
    if "shown" in signals:
        return Tried(ran=signals.get("ran") is True, shown=str(signals["shown"]))
    found = examined(str(signals.get("said", "")))
    return Tried(ran=_runs(found), examined=found)


def _runs(found: Examined) -> bool:
    return found.program is not None and not found.program.error
