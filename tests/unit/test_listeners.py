import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
import structlog

from capibara6.ace import LessonListener
from capibara6.domain.events import (
    Event,
    ExecutionFinished,
    ProgramChunk,
    ProgramWritten,
    RepairStarted,
    Routed,
    RunFinished,
    RunStarted,
    Validated,
)
from capibara6.domain.executions import ExecutionError, ExecutionResult, Usage
from capibara6.domain.programs import Diagnosis, Finding, Program
from capibara6.domain.requests import Request, Route
from capibara6.monitoring import EventBus, MetricsListener
from capibara6.monitoring.metrics import error_label
from capibara6.store import Lesson, UsageSample
from capibara6.tuning import UsageListener

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Sink:
    def __init__(self, seen: list[tuple[str, Event]], name: str) -> None:
        self._seen, self._name = seen, name

    async def handle(self, event: Event) -> None:
        await asyncio.sleep(0)
        self._seen.append((self._name, event))


class BrokenSink:
    async def handle(self, event: Event) -> None:
        raise RuntimeError("broken")


class HangingSink:
    async def handle(self, event: Event) -> None:
        await asyncio.Event().wait()


async def test_events_reach_all_sinks_in_order_though_some_are_broken() -> None:
    seen: list[tuple[str, Event]] = []
    bus = EventBus([Sink(seen, "a"), BrokenSink(), HangingSink(), Sink(seen, "b")], timeout_s=0.01)
    events = [ProgramChunk("r", 1, "x"), ProgramChunk("r", 1, "y")]
    with structlog.testing.capture_logs() as logs:
        for event in events:
            await bus.handle(event)
    assert seen == [(name, event) for event in events for name in ("a", "b")]
    assert [(entry["event"], entry["listener"], entry["run_id"]) for entry in logs] == [
        ("listener_failed", "BrokenSink", "r"),
        ("listener_failed", "HangingSink", "r"),
    ] * 2


async def test_cancelling_goes_through_the_bus() -> None:
    task = asyncio.create_task(EventBus([HangingSink()]).handle(ProgramChunk("r", 1, "x")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def failed(name: str = "KeyError", cpu_s: float | None = 0.5) -> ExecutionResult:
    error = ExecutionError(name, "'x'", f"Traceback: {name}")
    return ExecutionResult(
        success=False, error=error, usage=Usage(1.0, cpu_s, 7), template="default"
    )


def repaired_run() -> list[Event]:
    good = ExecutionResult(success=True, usage=Usage(2.0), template="default")
    finding = Finding("F821", "undefined name 'y'", 3, 1)
    return [
        RunStarted("r", Request("r", "q")),
        Routed("r", Route("describe", "default", "fast_response", "en", 1.0)),
        ProgramWritten("r", 1, Program("bad1", origin="model:m", tier="t", prompt_tokens=3)),
        Validated("r", 1, (finding,)),
        RepairStarted("r", 1, Diagnosis("undefined_name", "c1", "h1"), "t"),
        ProgramWritten("r", 2, Program("bad2", origin="model:m", tier="t", completion_tokens=4)),
        Validated("r", 2, ()),
        ExecutionFinished("r", 2, failed()),
        RepairStarted("r", 2, Diagnosis("unknown_column", "c2", "h2"), "u"),
        ProgramWritten("r", 3, Program("good", origin="model:n", tier="u", cost_usd=0.5)),
        ExecutionFinished("r", 3, good),
        RunFinished("r", True, "answer", 3, 4.0),
    ]


class Lessons:
    def __init__(self) -> None:
        self.added: list[Lesson] = []

    async def add(self, found: Sequence[Lesson]) -> None:
        self.added.extend(found)


async def test_lessons_pair_each_failure_with_what_worked() -> None:
    lessons = Lessons()
    listener = LessonListener(lessons, lambda: NOW)  # type: ignore[arg-type]
    for event in repaired_run():
        await listener.handle(event)
    shared = {"run_id": "r", "at": NOW, "task": "describe", "template": "default"}
    pair = {"failed_origin": "model:m", "repaired_code": "good", "repaired_origin": "model:n"}
    assert lessons.added == [
        Lesson(**shared, attempt=1, kind="undefined_name", cause="c1", hint="h1",
               error="3: F821 undefined name 'y'", failed_code="bad1", **pair),
        Lesson(**shared, attempt=2, kind="unknown_column", cause="c2", hint="h2",
               error="Traceback: KeyError", failed_code="bad2", **pair),
    ]  # fmt: skip


async def test_a_failure_that_nothing_repaired_is_a_lesson_too() -> None:
    lessons = Lessons()
    listener = LessonListener(lessons, lambda: NOW)  # type: ignore[arg-type]
    for event in [*repaired_run()[:9], RunFinished("r", False, "", 2, 1.0, "program_failed")]:
        await listener.handle(event)
    assert [lesson.repaired_code for lesson in lessons.added] == [None, None]


async def test_a_run_that_went_well_teaches_nothing() -> None:
    lessons = Lessons()
    listener = LessonListener(lessons, lambda: NOW)  # type: ignore[arg-type]
    events = repaired_run()
    for event in [*events[:2], *events[9:]]:
        await listener.handle(event)
    await listener.handle(ProgramChunk("unknown", 1, "x"))
    assert lessons.added == []


class Samples:
    def __init__(self) -> None:
        self.added: list[UsageSample] = []

    async def add(self, sample: UsageSample) -> None:
        self.added.append(sample)


async def test_usage_is_kept_per_template_and_task() -> None:
    samples = Samples()
    listener = UsageListener(samples, lambda: NOW)  # type: ignore[arg-type]
    for event in repaired_run():
        await listener.handle(event)
    await listener.add(failed("OutOfMemory"))
    assert samples.added == [
        UsageSample("r", NOW, "default", "describe", 1.0, 0.5, 7, "KeyError"),
        UsageSample("r", NOW, "default", "describe", 2.0, None, None, ""),
        UsageSample(None, NOW, "default", "", 1.0, 0.5, 7, "OutOfMemory"),
    ]


async def test_metrics_of_a_run() -> None:
    metrics = MetricsListener()
    for event in repaired_run():
        await metrics.handle(event)
    metrics.count_execution(failed("Timeout", cpu_s=None))
    text = metrics.text().decode()
    for expected in (
        'capibara6_runs_total{outcome="success",task="describe"} 1.0',
        'capibara6_executions_total{outcome="failure",template="default"} 2.0',
        'capibara6_executions_total{outcome="success",template="default"} 1.0',
        'capibara6_execution_failures_total{error="KeyError"} 1.0',
        'capibara6_execution_failures_total{error="Timeout"} 1.0',
        'capibara6_repairs_total{kind="unknown_column"} 1.0',
        'capibara6_tokens_total{direction="in",tier="t"} 3.0',
        'capibara6_tokens_total{direction="out",tier="t"} 4.0',
        'capibara6_cost_usd_total{tier="u"} 0.5',
        'capibara6_execution_cpu_seconds_total{template="default"} 0.5',
        'capibara6_execution_seconds_count{template="default"} 3.0',
        'capibara6_run_seconds_sum{tier="fast_response"} 4.0',
    ):
        assert expected in text


async def test_labels_stay_few_whatever_users_name() -> None:
    metrics = MetricsListener()
    for number in range(200):
        result = ExecutionResult(
            success=False, error=ExecutionError(f"E{number}", "", ""), template=f"t{number}"
        )
        metrics.count_execution(result)
    text = metrics.text().decode()
    assert text.count("capibara6_executions_total{") == 51
    assert 'capibara6_execution_failures_total{error="other"} 200.0' in text


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("KeyError", "KeyError"),
        ("OutOfMemory", "OutOfMemory"),
        ("print", "other"),
        ("Mine", "other"),
    ],
)
def test_error_labels(name: str, label: str) -> None:
    assert error_label(name) == label
