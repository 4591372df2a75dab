"""The loop with a real model: question, SmolLM2, program, sandbox, answer or repair."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from capibara6.domain import events as ev
from capibara6.main import Platform
from support.sandbox_server import START_TIMEOUT_S, SandboxServer
from support.small_model import events_of, needs_small_model, platform_with_small_model

pytestmark = [pytest.mark.timeout(START_TIMEOUT_S), needs_small_model]

EASY = "Write a Python program that prints the sum of the integers from 1 to 10."
NO_SUCH_FILE = "Write a Python program that reads the file numbers.txt and prints the sum."
TRIED = [ev.ProgramWritten, ev.Validated, ev.ExecutionStarted, ev.ExecutionFinished]


@pytest.fixture
async def platform(sandbox_server: SandboxServer, tmp_path: Path) -> AsyncIterator[Platform]:
    async with platform_with_small_model(tmp_path / "home", sandbox_server) as platform:
        yield platform


async def run(platform: Platform, question: str) -> tuple[str, list[Any]]:
    run_id = uuid.uuid4().hex
    return run_id, await events_of(platform, run_id, question)


def kinds(events: list[Any]) -> list[type]:
    """The kinds of events in their order, without those that come as often as there is output."""
    streamed = (ev.ProgramChunk, ev.Output, ev.ResultShown)
    return [type(event) for event in events if not isinstance(event, streamed)]


def programs(events: list[Any]) -> list[Any]:
    return [event.program for event in events if isinstance(event, ev.ProgramWritten)]


async def test_a_question_is_answered_by_running_the_models_program(platform: Platform) -> None:
    run_id, events = await run(platform, EASY)
    assert kinds(events) == [ev.RunStarted, ev.Routed, *TRIED, ev.RunFinished]
    (program,), finished = programs(events), events[-1]
    streamed = "".join(event.text for event in events if isinstance(event, ev.ProgramChunk))
    assert program.code.strip() in streamed
    assert (program.origin, program.cost_usd) == ("model:smollm2", 0.0)
    assert not program.tokens_estimated
    assert finished.success
    assert "“smollm2”, a very small model" in finished.answer

    (result,) = (event.result for event in events if isinstance(event, ev.ExecutionFinished))
    assert result.stdout.strip() in finished.answer
    stored = await platform.store.runs.get(run_id)
    (execution,) = (await platform.store.executions.list()).items
    assert (stored.answer, execution.run_id) == (finished.answer, run_id)
    replayed = [type(event) async for event in platform.store.runs.replay(run_id)]
    assert replayed == [type(event) for event in events]

    _, again = await run(platform, EASY)
    assert programs(again)[0].code == program.code, "temperature 0 and a fixed seed"


async def test_a_program_that_fails_is_repaired_by_the_model(platform: Platform) -> None:
    run_id, events = await run(platform, NO_SUCH_FILE)
    told = kinds(events)
    assert told[: 2 + len(TRIED) + 2] == [
        ev.RunStarted, ev.Routed, *TRIED, ev.RepairStarted, ev.ProgramWritten,
    ]  # fmt: skip
    (repair,) = (event for event in events if isinstance(event, ev.RepairStarted))
    assert (repair.attempt, repair.diagnosis.kind) == (1, "missing_file")
    assert "numbers.txt" in repair.diagnosis.cause
    first, second = programs(events)
    assert second.prompt_tokens > first.prompt_tokens, "the repair is told program and error"
    finished = events[-1]
    assert finished.attempts == 2
    if finished.success:
        assert "a very small model" in finished.answer
    else:
        assert finished.error_code == "program_failed"
    stored = await platform.store.executions.list()
    assert {execution.run_id for execution in stored.items} == {run_id}
    assert not stored.items[-1].success
