"""Limits that follow usage: what is granted, and what becomes of a run that needs more."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from capibara6.config.sections import Template, Tuning
from capibara6.domain.executions import (
    ExecutionError,
    ExecutionRequest,
    ExecutionResult,
    Grant,
    Repeating,
    SandboxReady,
    Usage,
)
from capibara6.store import LimitPin, UsageSample
from capibara6.tuning import TunedExecutor, Tuner
from capibara6.tuning.histogram import HALF_LIFE_S, Histogram

MIB = 1024**2
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PRESET = Template(timeout_s=600, memory_mib=1024, cpu_percent=100)
TUNING = Tuning(limits="on", memory_floor_mib=128, timeout_floor_s=20)


class Samples:
    def __init__(self) -> None:
        self.stored: list[UsageSample] = []

    async def after(self, seq: int, limit: int) -> list[tuple[int, UsageSample]]:
        return list(enumerate(self.stored, 1))[seq:][-limit:]

    async def newest(self) -> int:
        return len(self.stored)


class Pins:
    def __init__(self, *pins: LimitPin) -> None:
        self.pins = pins

    async def list(self) -> tuple[LimitPin, ...]:
        return self.pins


def sample(peak_mib: float, wall_s: float = 2.0, **changes: object) -> UsageSample:
    plain = UsageSample("r", NOW, "default", "describe", wall_s, 1.0, int(peak_mib * MIB), "")
    return replace(plain, **changes)


def tuner(samples: Samples, *pins: LimitPin, tuning: Tuning = TUNING) -> Tuner:
    return Tuner(samples, Pins(*pins), {"default": PRESET}, tuning)  # type: ignore[arg-type]


async def learnt(*found: UsageSample, pins: tuple[LimitPin, ...] = ()) -> Tuner:
    samples = Samples()
    samples.stored += found
    made = tuner(samples, *pins)
    await made.refresh()
    return made


async def test_few_runs_say_nothing() -> None:
    made = await learnt(*[sample(200)] * 4)
    assert made.grant("default", "describe") is None
    assert made.grant("default", "") is None
    assert made.grant("unknown", "describe") is None


async def test_runs_set_memory_and_time_above_what_they_used() -> None:
    made = await learnt(*[sample(200 + number % 3, 10.0) for number in range(40)])
    grant = made.grant("default", "describe")
    assert grant is not None
    assert grant.memory_bytes is not None
    assert 200 * MIB < grant.memory_bytes < 400 * MIB
    assert grant.timeout_s == pytest.approx(40, rel=0.1)
    assert "40 runs of describe" in grant.reason


async def test_floors_and_ceilings_hold() -> None:
    small = await learnt(*[sample(10, 0.1)] * 40)
    large = await learnt(*[sample(1020, 500.0)] * 40)
    assert small.grant("default", "describe") == Grant(
        128 * MIB,
        20,
        small.advise("default", "describe").reason,  # type: ignore[union-attr]
    )
    granted = large.grant("default", "describe")
    assert granted is not None
    assert (granted.memory_bytes, granted.timeout_s) == (None, None)  # the template's own


async def test_tasks_and_templates_are_told_apart() -> None:
    other = [sample(900, task="train")] * 40
    made = await learnt(*[sample(200)] * 40, *other)
    first, second = made.grant("default", "describe"), made.grant("default", "train")
    assert first
    assert first.memory_bytes
    assert first.memory_bytes < 400 * MIB
    assert second
    assert (second.memory_bytes or PRESET.memory_bytes) > 900 * MIB


async def test_what_is_pinned_holds_whatever_is_used_and_even_when_switched_off() -> None:
    pin = LimitPin("default", "describe", 300 * MIB, 50.0, NOW)
    samples = Samples()
    samples.stored = [sample(900)] * 40
    off = Tuning(limits="off", memory_floor_mib=128, timeout_floor_s=20)
    made = tuner(samples, pin, tuning=off)
    await made.refresh()
    assert made.grant("default", "describe") == Grant(300 * MIB, 50.0, "pinned")
    samples.stored += [sample(500, task="train")] * 40
    await made.refresh()
    assert made.grant("default", "train") is None


async def test_forgotten_samples_are_forgotten_here_too() -> None:
    samples = Samples()
    samples.stored = [sample(200)] * 40
    made = tuner(samples)
    await made.refresh()
    assert made.grant("default", "describe")
    samples.stored.clear()
    await made.refresh()
    assert made.grant("default", "describe") is None


def test_a_histogram_forgets_by_half_a_day_and_night() -> None:
    histogram = Histogram(smallest=1.0)
    histogram.add(100.0, 0.0)
    for number in range(3):
        histogram.add(10.0, 4 * HALF_LIFE_S + number)
    assert histogram.percentile(0.9) == pytest.approx(10, rel=0.06)
    assert histogram.percentile(1.0) == pytest.approx(100, rel=0.06)
    assert histogram.runs == 4


def test_bounds_close_in_on_what_is_usual() -> None:
    histogram = Histogram(smallest=1.0)
    widths = []
    for day in range(30):
        histogram.add(50.0, (NOW + timedelta(days=day)).timestamp())
        estimate = histogram.estimate()
        assert estimate is not None
        assert estimate.lower <= estimate.target <= estimate.upper
        widths.append(estimate.upper - estimate.lower)
    assert widths[1] > widths[10] > widths[-1]
    assert estimate.confidence == pytest.approx(29)
    assert Histogram(smallest=1.0).estimate() is None


def test_years_do_not_overflow_a_histogram() -> None:
    histogram = Histogram(smallest=1.0)
    for year in range(20):
        histogram.add(2.0**year, year * 365 * HALF_LIFE_S)
    assert histogram.percentile(0.5) == pytest.approx(2.0**19, rel=0.06)


class Sandboxes:
    """An executor whose sandboxes end in turn as told, and one limit after another is seen."""

    def __init__(self, *errors: str) -> None:
        self.errors = list(errors)
        self.asked: list[ExecutionRequest] = []
        self.closed = 0

    async def execute(self, request: ExecutionRequest) -> AsyncIterator[object]:
        self.asked.append(request)
        name = self.errors.pop(0)
        try:
            yield SandboxReady(f"s{len(self.asked)}", request.template)
            if name == "hang":
                await asyncio.Event().wait()
            error = ExecutionError(name, "", "") if name else None
            yield ExecutionResult(not name, error=error, usage=Usage(1.0))
        finally:
            self.closed += 1


class Granting:
    def __init__(self, grant: Grant | Exception | None) -> None:
        self.answer = grant

    def grant(self, _template: str, _task: str) -> Grant | None:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


LESS = Grant(256 * MIB, 30.0, "because")


async def run(
    sandboxes: Sandboxes, grant: Grant | Exception | None, timeout_s: float | None = None
) -> list[object]:
    executor = TunedExecutor(sandboxes, Granting(grant))  # type: ignore[arg-type]
    request = ExecutionRequest("p", task="describe", timeout_s=timeout_s)
    return [item async for item in executor.execute(request)]


async def test_a_run_gets_what_is_granted() -> None:
    sandboxes = Sandboxes("")
    ready, result = await run(sandboxes, LESS)
    assert ready == SandboxReady("s1", "default", LESS)
    assert isinstance(result, ExecutionResult)
    assert result.usage.first_error == ""
    (asked,) = sandboxes.asked
    assert (asked.memory_bytes, asked.timeout_s) == (256 * MIB, 30.0)


@pytest.mark.parametrize("error", ["OutOfMemory", "Timeout"])
async def test_a_run_that_met_its_grant_is_repeated_once_with_the_templates(error: str) -> None:
    sandboxes = Sandboxes(error, "")
    ready, repeating, result = await run(sandboxes, LESS)
    assert isinstance(ready, SandboxReady)
    assert repeating == Repeating(error, 256 * MIB, 30.0)
    assert isinstance(result, ExecutionResult)
    assert (result.success, result.usage.first_error) == (True, error)
    assert (sandboxes.asked[1].memory_bytes, sandboxes.asked[1].timeout_s) == (None, None)
    assert sandboxes.closed == 2


@pytest.mark.parametrize(
    ("grant", "error", "timeout_s"),
    [
        (None, "OutOfMemory", None),  # the template's own limit
        (Grant(None, 30.0, ""), "OutOfMemory", None),
        (Grant(256 * MIB, None, ""), "Timeout", None),
        (LESS, "Timeout", 5.0),  # the user's own
        (LESS, "KeyError", None),
    ],
)
async def test_other_failures_are_not_repeated(
    grant: Grant | None, error: str, timeout_s: float | None
) -> None:
    sandboxes = Sandboxes(error)
    *_, result = await run(sandboxes, grant, timeout_s)
    assert isinstance(result, ExecutionResult)
    assert result.error
    assert result.error.name == error
    assert len(sandboxes.asked) == 1


async def test_a_second_kill_is_the_result() -> None:
    *_, result = await run(Sandboxes("OutOfMemory", "OutOfMemory"), LESS)
    assert isinstance(result, ExecutionResult)
    assert result.error


async def test_a_broken_tuner_breaks_no_run(caplog: pytest.LogCaptureFixture) -> None:
    *_, result = await run(Sandboxes(""), ZeroDivisionError("bug"))
    assert isinstance(result, ExecutionResult)
    assert result.success
    assert "no limits are known" in caplog.text


async def test_who_leaves_early_leaves_no_sandbox() -> None:
    sandboxes = Sandboxes("hang")
    executor = TunedExecutor(sandboxes, Granting(LESS))  # type: ignore[arg-type]
    items = executor.execute(ExecutionRequest("p", task="describe"))
    await anext(items)
    await items.aclose()  # type: ignore[attr-defined]
    assert sandboxes.closed == 1
