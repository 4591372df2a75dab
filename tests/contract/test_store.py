"""One suite for every database the store supports."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from capibara6.domain.events import (
    Event,
    ExecutionFinished,
    ExecutionStarted,
    Output,
    ProgramChunk,
    ProgramWritten,
    RepairStarted,
    ResultShown,
    Routed,
    RunFinished,
    RunStarted,
    Validated,
)
from capibara6.domain.executions import (
    Artefact,
    ExecutionError,
    ExecutionResult,
    OutputChunk,
    ResultItem,
    Usage,
)
from capibara6.domain.playbook import Delta
from capibara6.domain.programs import Diagnosis, Finding, Program
from capibara6.domain.requests import Column, DataFile, Request, Route
from capibara6.errors import ConfigurationError, UnknownRecordError
from capibara6.store import ExecutionFilter, Lesson, Store, TierOutcome, UsageSample
from capibara6.store.database import Database
from support import postgres

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def cluster_url() -> Iterator[str]:
    reason = postgres.missing()
    if reason:
        pytest.skip(reason)
    with postgres.cluster() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    base = make_url(request.getfixturevalue("cluster_url"))
    name = f"t{uuid.uuid4().hex}"
    engine = create_async_engine(
        base.set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT"
    )
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await engine.dispose()
    return base.set(database=name).render_as_string()


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
async def store(url: str, tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(url, tmp_path / "home", Clock())
    yield store
    await store.close()


def story(run_id: str) -> list[Event]:
    """A run that fails once, is repaired and succeeds, with everything awkward in it."""
    request = Request(
        run_id,
        "¿Cuántas películas? 🎬 \ud800 a\0b",
        (DataFile("films.csv", b"a,b\n" * 5000, (Column("a", "number", 2, ("1",)),)),),
        timeout_s=5.0,
    )
    first = Program(
        "print(x", origin="model:m", tier="fast_response", prompt_tokens=7, cost_usd=0.5
    )
    second = Program("print(1)\0", origin="model:l", tier="balanced", completion_tokens=9)
    failed = ExecutionResult(
        success=False,
        stderr="boom\0\ud800",
        error=ExecutionError("KeyError" * 100, "'x'", "Traceback\0"),
        usage=Usage(0.25, 0.125, 10**10),
        sandbox_id="s1",
        template="default",
    )
    shown = ResultItem(
        {"text/plain": "1", "e2b/data": {"x": [float("inf"), 2]}}, is_main_result=True
    )
    done = ExecutionResult(
        success=True,
        stdout="x" * 50,
        results=(shown,),
        artefacts=(Artefact("plot.png", "image/png", b"\x89PNG" * 3000), Artefact("e", "t", b"")),
        usage=Usage(0.75),
        sandbox_id="s2",
        template="data_analysis",
    )
    return [
        RunStarted(run_id, request),
        Routed(run_id, Route("describe", "default", "fast_response", "es", 0.75, ("why",))),
        ProgramChunk(run_id, 1, "print"),
        ProgramChunk(run_id, 1, "(x"),
        ProgramWritten(run_id, 1, first),
        Validated(run_id, 1, (Finding("E9", "message", 1, 2),)),
        ExecutionStarted(run_id, 1, "s1", "default"),
        Output(run_id, 1, OutputChunk("stderr", "boom\0")),
        ExecutionFinished(run_id, 1, failed),
        RepairStarted(run_id, 1, Diagnosis("unknown_column", "cause", "hint"), "balanced"),
        ProgramWritten(run_id, 2, second),
        ExecutionStarted(run_id, 2, "s2", "data_analysis"),
        ResultShown(run_id, 2, shown),
        ExecutionFinished(run_id, 2, done),
        RunFinished(run_id, True, "It is 1.\0", 2, 1.5),
    ]


async def tell(store: Store, events: list[Event]) -> None:
    for event in events:
        await store.events.handle(event)


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


async def test_two_processes_may_open_a_new_database_at_once(url: str, tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        opened = [group.create_task(Store.open(url, tmp_path)) for _ in range(8)]
    for task in opened:
        await task.result().close()
    store = await Store.open(url, tmp_path)
    assert (await store.runs.list()).total == 0
    await store.close()


async def test_a_newer_schema_is_refused(url: str, tmp_path: Path) -> None:
    database = await Database.open(url, tmp_path)
    async with database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()
    with pytest.raises(ConfigurationError, match="newer"):
        await Store.open(url, tmp_path)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ("mysql://u:hunter2@h/db", "only SQLite files and PostgreSQL"),
        ("no url at all hunter2", "not a database URL"),
        ("sqlite://", "only SQLite files"),
        ("postgresql://u:hunter2@127.0.0.1:1/db", "cannot be used"),
        ("sqlite:////proc/nothing/x.db", "cannot be created"),
    ],
)
async def test_a_database_that_cannot_be_used(wrong: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=expected) as caught:
        await Store.open(wrong, tmp_path)
    assert "hunter2" not in str(caught.value)


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(ConfigurationError, match="not a database"):
        await Store.open(f"sqlite:///{path}", tmp_path)


async def test_the_database_is_private(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path / 'home' / 'x.db'}", tmp_path / "home")
    await store.close()
    assert (tmp_path / "home" / "x.db").stat().st_mode & 0o077 == 0
    assert (tmp_path / "home").stat().st_mode & 0o077 == 0


def tier_outcome(number: int, tier: str = "fast") -> TierOutcome:
    return TierOutcome(f"{number:032x}", START, "¿cuánto?\0", "describe", tier, 0.5, 0.01)


async def test_outcomes_are_a_set(store: Store) -> None:
    assert await store.outcomes.add([]) == 0
    assert await store.outcomes.oldest() is None
    assert await store.outcomes.add([tier_outcome(1), tier_outcome(2)]) == 2
    assert await store.outcomes.add([tier_outcome(2), tier_outcome(3, "complex")]) == 1
    rows = await store.outcomes.after(0, 10)
    assert [outcome.id[-1] for _, outcome in rows] == ["1", "2", "3"]
    assert rows[0][1].at == START
    assert rows[0][1].tier == "fast"
    assert await store.outcomes.after(rows[1][0], 10) == rows[2:]
    assert await store.outcomes.after(0, 2) == rows[1:]


async def test_processes_add_outcomes_at_once(store: Store, url: str, tmp_path: Path) -> None:
    other = await Store.open(url, tmp_path / "home")
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task(store.outcomes.add([tier_outcome(number)]))
                group.create_task(other.outcomes.add([tier_outcome(number)]))
        assert len(await store.outcomes.after(0, 100)) == 10
    finally:
        await other.close()


async def test_a_number_is_not_given_twice_after_a_reset(store: Store) -> None:
    await store.outcomes.add([tier_outcome(n) for n in range(3)])
    last = (await store.outcomes.after(0, 10))[-1][0]
    assert await store.outcomes.clear() == 3
    await store.outcomes.add([tier_outcome(9)])
    assert (await store.outcomes.oldest() or 0) > last


async def test_the_oldest_outcomes_are_dropped(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("capibara6.store.tier_outcomes.KEPT_MAX", 50)
    for start in range(0, 200, 10):
        await store.outcomes.add([tier_outcome(n) for n in range(start, start + 10)])
    rows = await store.outcomes.after(0, 1000)
    assert 50 <= len(rows) <= 150
    assert rows[-1][1].id == f"{199:032x}"


async def test_a_run_whose_platform_was_killed_is_said_to_be_interrupted(
    url: str, tmp_path: Path
) -> None:
    killed = await Store.open(url, tmp_path / "home", Clock())
    other = await Store.open(url, tmp_path / "home", Clock())
    done, cut = story("a" * 32), story("b" * 32)[:-2]
    await tell(killed, [*done, *cut])
    await tell(other, story("c" * 32)[:3])
    await killed._database.close()  # no farewell: what a kill leaves
    os.close(killed.events._in_progress._fd)

    again = await Store.open(url, tmp_path / "home", Clock())
    try:
        await again.say_interrupted(lambda language: f"cut ({language})")
        run = await again.runs.get("b" * 32)
        assert (run.state, run.success, run.error_code) == ("interrupted", False, "interrupted")
        assert run.error == "cut (es)"
        assert run.attempts == 1  # as many as were recorded: the second had not ended
        replayed = [event async for event in again.runs.replay("b" * 32)]
        assert replayed[:-1] == cut
        assert isinstance(replayed[-1], RunFinished)
        assert (await again.runs.get("a" * 32)).state == "succeeded"
        assert (await again.runs.get("c" * 32)).state == "running"  # its platform lives
    finally:
        await again.close()
        await other.close()
    files = [path.name for path in (tmp_path / "home" / "in-progress").iterdir()]
    assert len(files) == 1  # what `other` left unfinished


async def test_what_a_failing_database_did_not_take_is_stored_when_it_answers(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    early, late = story("a" * 32), story("b" * 32)
    with monkeypatch.context() as patched:
        patched.setattr(store._database, "write", _refuse)
        for event in early:
            if isinstance(event, ProgramChunk | Output):
                await store.events.handle(event)
                continue
            with pytest.raises(OSError, match="no database"):
                await store.events.handle(event)
    assert not store.events.recorded("a" * 32)
    await tell(store, late)
    assert store.events.recorded("a" * 32)
    for events in (early, late):
        assert [event async for event in store.runs.replay(events[0].run_id)] == events


def _refuse() -> AbstractAsyncContextManager[AsyncConnection]:
    raise OSError("no database")


async def test_a_write_of_which_nobody_heard_is_not_written_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = story("a" * 32)
    original = store._database.write

    @asynccontextmanager
    async def deaf() -> AsyncIterator[AsyncConnection]:
        async with original() as connection:
            yield connection
        raise OSError("the connection broke after the commit")

    with monkeypatch.context() as patched:
        patched.setattr(store._database, "write", deaf)
        for event in events[:2]:
            with pytest.raises(OSError, match="broke"):
                await store.events.handle(event)
    await tell(store, events[2:])
    assert [event async for event in store.runs.replay("a" * 32)] == events


def playbook_delta(number: int, kind: str = "add") -> Delta:
    body = {"text": f"lesson {number}", "odd": "\ud800 \u00f1"}
    return Delta(f"{number:032x}", datetime(2026, 1, 1, tzinfo=UTC), kind, "b" * 32, body)


async def test_changes_of_the_playbook_are_a_set(store: Store) -> None:
    assert await store.playbook.add([]) == 0
    assert await store.playbook.oldest() is None
    assert await store.playbook.add([playbook_delta(1), playbook_delta(2)]) == 2
    assert await store.playbook.add([playbook_delta(2), playbook_delta(3, "remove")]) == 1
    rows = await store.playbook.after(0, 10)
    assert [change for _, change in rows] == [
        playbook_delta(1),
        playbook_delta(2),
        playbook_delta(3, "remove"),
    ]
    assert await store.playbook.after(rows[1][0], 10) == rows[2:]
    assert await store.playbook.after(0, 2) == rows[:2]
    assert await store.playbook.oldest() == rows[0][0]
    assert await store.playbook.clear() == 3
    assert await store.playbook.oldest() is None
