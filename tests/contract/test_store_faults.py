"""Databases that fail, are none, or are opened by several: one suite for all of them."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from capibara6.domain.events import (
    Output,
    ProgramChunk,
    RunFinished,
)
from capibara6.errors import ConfigurationError
from capibara6.store import Store
from capibara6.store.database import Database
from support.stories import Clock, story, tell


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
