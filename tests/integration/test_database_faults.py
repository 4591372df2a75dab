"""The platform's database fails: nothing is said to be recorded that is not, and it goes on."""

import asyncio
import contextlib
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from capibara6.domain.events import (
    Event,
    ExecutionFinished,
    ExecutionStarted,
    ProgramWritten,
    RunFinished,
    RunStarted,
)
from capibara6.domain.executions import ExecutionResult
from capibara6.domain.programs import Program
from capibara6.domain.requests import Request
from capibara6.errors import ConfigurationError
from capibara6.store import Store, database
from support.privileges import needs_root


def story(run_id: str) -> list[Event]:
    result = ExecutionResult(success=True, stdout="1", sandbox_id="s", template="default")
    return [
        RunStarted(run_id, Request(run_id, "q")),
        ProgramWritten(run_id, 1, Program("print(1)")),
        ExecutionStarted(run_id, 1, "s", "default"),
        ExecutionFinished(run_id, 1, result),
        RunFinished(run_id, True, "1", 1, 0.1),
    ]


async def tell(store: Store, run_id: str) -> None:
    """Tell a run as the platform does: a failing listener stops nothing."""
    for event in story(run_id):
        with contextlib.suppress(DBAPIError, OSError):  # the bus logs these
            await store.events.handle(event)


async def stored(store: Store, run_id: str) -> bool:
    return [event async for event in store.runs.replay(run_id)] == story(run_id)


async def test_a_locked_database_is_waited_for_and_then_told_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.1)
    store = await Store.open(f"sqlite:///{tmp_path}/db", tmp_path)
    try:
        other = sqlite3.connect(tmp_path / "db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        await tell(store, "a" * 32)
        assert not store.events.recorded("a" * 32)
        other.execute("ROLLBACK")
        other.close()
        await tell(store, "b" * 32)
        for run_id in ("a" * 32, "b" * 32):
            assert store.events.recorded(run_id)
            assert await stored(store, run_id)
    finally:
        await store.close()


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_removed_database_takes_nothing_and_the_next_start_is_a_new_one(
    tmp_path: Path, replaced: bool
) -> None:
    url = f"sqlite:///{tmp_path}/db"
    store = await Store.open(url, tmp_path)
    await tell(store, "a" * 32)
    for name in ("db", "db-wal", "db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    if replaced:
        (tmp_path / "db").touch()
    await tell(store, "b" * 32)
    assert not store.events.recorded("b" * 32)  # and not: written into a file that nobody finds
    with pytest.raises(FileNotFoundError, match="removed or replaced; start the platform anew"):
        await store.close()
    again = await Store.open(url, tmp_path)
    await tell(again, "c" * 32)
    assert await stored(again, "c" * 32)
    assert (await again.runs.list()).total == 1
    await again.close()


async def test_a_file_that_is_no_database_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"not a database at all, but long enough to be read as one" * 50)
    with pytest.raises(ConfigurationError, match=r"db.*cannot be used \(file is not a database\)"):
        await Store.open(f"sqlite:///{tmp_path}/db", tmp_path)


async def test_a_damaged_database_is_refused_with_the_reason(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/db"
    store = await Store.open(url, tmp_path)
    await tell(store, "a" * 32)
    await store.close()
    size = (tmp_path / "db").stat().st_size
    with (tmp_path / "db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))  # all pages but the first
    with pytest.raises(ConfigurationError, match=r"cannot be used .*malformed"):
        await Store.open(url, tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@needs_root("mounts a small disk")
async def test_a_full_disk_takes_nothing_and_all_once_there_is_room(small_disk: Path) -> None:
    store = await Store.open(f"sqlite:///{small_disk}/db", small_disk)
    try:
        filler = small_disk / "filler"
        await asyncio.to_thread(_fill, filler)
        run_ids = [f"{number:032x}" for number in range(20)]  # more than free pages could take
        for run_id in run_ids:
            await tell(store, run_id)
        waiting = [run_id for run_id in run_ids if not store.events.recorded(run_id)]
        assert waiting
        filler.unlink()
        await tell(store, "f" * 32)
        kept = {run.id for run in (await store.runs.list(limit=100)).items}
        assert set(waiting) <= kept
        assert all(store.events.recorded(run_id) for run_id in waiting)
    finally:
        await store.close()


def _fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(b"\0" * 1024)
            except OSError:
                return
