"""One suite for every database the store supports."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from capibara6.domain.events import (
    Event,
    ExecutionFinished,
    ProgramChunk,
    ProgramWritten,
    RunFinished,
    RunStarted,
)
from capibara6.domain.executions import (
    ExecutionError,
    ExecutionResult,
    Usage,
)
from capibara6.domain.programs import Program
from capibara6.domain.requests import Request
from capibara6.errors import UnknownRecordError
from capibara6.store import ExecutionFilter, Lesson, Store, UsageSample
from support.stories import START, story, tell


async def test_a_run_replays_as_it_was(store: Store) -> None:
    events = story("a" * 32)
    await tell(store, events)
    assert [event async for event in store.runs.replay("a" * 32)] == events


async def test_concurrent_runs_keep_their_own_order(store: Store) -> None:
    stories = [story(f"{number:032x}") for number in range(4)]
    async with asyncio.TaskGroup() as group:
        for events in stories:
            group.create_task(tell(store, events))
    for events in stories:
        assert [event async for event in store.runs.replay(events[0].run_id)] == events
    assert (await store.runs.list(limit=3)).total == 4


async def test_a_long_run_replays_wholly(store: Store) -> None:
    request = Request("b" * 32, "q")
    pieces: list[Event] = [ProgramChunk("b" * 32, 1, str(number)) for number in range(450)]
    events = [RunStarted("b" * 32, request), *pieces, RunFinished("b" * 32, False, "", 0, 0.1)]
    await tell(store, events)
    assert [event async for event in store.runs.replay("b" * 32)] == events


async def test_the_run_is_told_in_one_record(store: Store) -> None:
    await tell(store, story("a" * 32))
    run = await store.runs.get("a" * 32)
    assert run.question == "¿Cuántas películas? 🎬 ? a␀b"
    assert (run.task, run.template, run.tier) == ("describe", "default", "fast_response")
    assert (run.success, run.answer, run.attempts) == (True, "It is 1.␀", 2)
    assert (run.prompt_tokens, run.completion_tokens, run.cost_usd) == (7, 9, 0.5)
    assert run.finished_at is not None
    assert run.started_at == START + timedelta(seconds=1)
    assert run.finished_at == START + timedelta(seconds=15)


async def test_executions_of_a_run_with_results_and_artefacts(store: Store) -> None:
    await tell(store, story("a" * 32))
    page = await store.executions.list(ExecutionFilter(run_id="a" * 32))
    assert [(item.attempt, item.success) for item in page.items] == [(2, True), (1, False)]
    done = await store.executions.get(page.items[0].id)
    assert (done.code, done.tier, done.origin) == ("print(1)␀", "balanced", "model:l")
    assert done.results[0].data["e2b/data"] == {"x": [float("inf"), 2]}
    assert done.usage == Usage(0.75)
    assert [file.name for file in done.artefacts] == ["plot.png", "e"]
    record, content = await store.executions.artefact(done.id, "plot.png")
    assert content == b"\x89PNG" * 3000
    assert record.size_bytes == 12_000
    failed = await store.executions.get(page.items[1].id)
    assert failed.error is not None
    assert failed.error.name.startswith("KeyErrorKeyError")
    assert failed.usage == Usage(0.25, 0.125, 10**10)
    assert failed.started_at < failed.finished_at


async def add(store: Store, number: int, template: str, wall_s: float, error: str = "") -> None:
    result = ExecutionResult(
        success=not error,
        error=ExecutionError(error, "", "") if error else None,
        usage=Usage(wall_s),
        template=template,
    )
    at = START + timedelta(minutes=number)
    program = Program("1", tier="recipe", cost_usd=0.25)
    await store.executions.add(f"{number:032x}", program, result, started_at=at, finished_at=at)


async def test_listing_pages_and_filters(store: Store) -> None:
    for number in range(10):
        await add(store, number, "default" if number % 2 else "quick_script", number)
    page = await store.executions.list(limit=3, offset=2)
    assert page.total == 10
    assert [int(item.id, 16) for item in page.items] == [7, 6, 5]
    which = ExecutionFilter(template="default", since=START + timedelta(minutes=4))
    assert [int(item.id, 16) for item in (await store.executions.list(which)).items] == [9, 7, 5]
    which = ExecutionFilter(until=START + timedelta(minutes=1), success=True)
    assert [int(item.id, 16) for item in (await store.executions.list(which)).items] == [0]
    assert (await store.executions.list(ExecutionFilter(success=False))).total == 0
    assert (await store.executions.list(offset=99)).items == ()


async def test_figures(store: Store) -> None:
    for number in range(20):
        error = {3: "Timeout", 5: "KeyError", 7: "KeyError"}.get(number, "")
        await add(store, number, "default" if number < 15 else "visualization", number + 1, error)
    stats = await store.executions.stats()
    assert (stats.overall.total, stats.overall.succeeded) == (20, 17)
    assert stats.overall.success_rate == pytest.approx(0.85)
    assert stats.overall.cost_usd == pytest.approx(5.0)
    assert (stats.wall_p50_s, stats.wall_p95_s) == (10, 19)
    assert {name: tally.total for name, tally in stats.by_template.items()} == {
        "default": 15,
        "visualization": 5,
    }
    assert stats.by_tier["recipe"].wall_mean_s == pytest.approx(10.5)
    assert list(stats.errors.items()) == [("KeyError", 2), ("Timeout", 1)]
    empty = await store.executions.stats(ExecutionFilter(tier="none"))
    assert (empty.overall.total, empty.overall.success_rate, empty.wall_p95_s) == (0, 0.0, None)
    assert empty.by_template == {}


async def test_what_is_not_there(store: Store) -> None:
    with pytest.raises(UnknownRecordError, match="'nothing'"):
        await store.executions.get("nothing")
    with pytest.raises(UnknownRecordError):
        await store.runs.get("nothing")
    with pytest.raises(UnknownRecordError):
        [event async for event in store.runs.replay("nothing")]
    await add(store, 1, "default", 1)
    with pytest.raises(UnknownRecordError, match="plot"):
        await store.executions.artefact(f"{1:032x}", "plot.png")


async def test_an_event_that_cannot_be_stored_is_refused_alone(store: Store) -> None:
    with pytest.raises(ValueError, match="never started"):
        await store.events.handle(ProgramChunk("c" * 32, 1, "x"))
    await store.events.handle(RunStarted("c" * 32, Request("c" * 32, "q")))
    with pytest.raises(TypeError):
        await store.events.handle(
            ProgramWritten("c" * 32, 1, Program("x", parameters={"p": object()}))
        )
    with pytest.raises(ValueError, match="from 'nothing' to 'finished'"):
        await store.events.handle(ExecutionFinished("c" * 32, 9, ExecutionResult(success=True)))
    await store.events.handle(RunFinished("c" * 32, False, "", 1, 0.1))
    assert (await store.runs.get("c" * 32)).success is False


async def test_closing_stores_what_waits(url: str, tmp_path: Path) -> None:
    store = await Store.open(url, tmp_path)
    events: list[Event] = [
        RunStarted("d" * 32, Request("d" * 32, "q")),
        ProgramChunk("d" * 32, 1, "x"),
    ]
    await tell(store, events)
    await store.close()
    store = await Store.open(url, tmp_path)
    assert [event async for event in store.runs.replay("d" * 32)] == events
    assert (await store.runs.get("d" * 32)).finished_at is None
    await store.say_interrupted(lambda _: "cut")
    assert (await store.runs.get("d" * 32)).state == "interrupted"
    await store.close()


async def test_learning_material(store: Store) -> None:
    lesson = Lesson(
        "r", START, "describe", "default", 1, "unknown_column", "c", "h", "e\0", "bad", "model:m",
        "good", "model:l",
    )  # fmt: skip
    await store.lessons.add([lesson])
    await store.lessons.add([])
    assert [item.error for item in await store.lessons.list(kind="unknown_column")] == ["e␀"]
    assert await store.lessons.list(kind="other") == ()
    sample = UsageSample(None, START, "default", "describe", 1.0, None, 2**33, "")
    await store.usage.add(sample)
    assert await store.usage.list(template="default", task="describe") == (sample,)
    assert await store.usage.list(task="other") == ()
