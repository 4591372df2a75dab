"""Watching directories through envd, driven by the published SDK."""

import asyncio
import os

import pytest
from e2b import (
    AsyncSandbox,
    FileNotFoundException,
    FilesystemEventType,
    InvalidArgumentException,
    SandboxException,
)

CREATE, WRITE = FilesystemEventType.CREATE, FilesystemEventType.WRITE
CHMOD, REMOVE, RENAME = (
    FilesystemEventType.CHMOD,
    FilesystemEventType.REMOVE,
    FilesystemEventType.RENAME,
)


@pytest.fixture(scope="module")
def sandbox(envd):
    return envd.client()


def news(handle):
    return [(event.name, event.type) for event in handle.get_new_events()]


def test_a_new_file_is_exactly_three_events(sandbox, tmp_path):
    handle = sandbox.files.watch_dir(str(tmp_path))
    sandbox.files.write(str(tmp_path / "file"), "content")
    assert news(handle) == [("file", CREATE), ("file", CHMOD), ("file", WRITE)]
    assert news(handle) == []
    sandbox.files.write(str(tmp_path / "file"), "other content")
    assert news(handle) == [("file", WRITE)]
    handle.stop()


def test_moves_and_removals_are_seen(sandbox, tmp_path):
    (tmp_path / "old").touch()
    handle = sandbox.files.watch_dir(str(tmp_path))
    os.rename(tmp_path / "old", tmp_path / "new")
    os.unlink(tmp_path / "new")
    assert news(handle) == [("old", RENAME), ("new", CREATE), ("new", REMOVE)]
    handle.stop()


def test_events_carry_entries_when_asked(sandbox, tmp_path):
    handle = sandbox.files.watch_dir(str(tmp_path), include_entry=True)
    (tmp_path / "file").write_text("12345")
    events = handle.get_new_events()
    assert events[-1].entry.path == str(tmp_path / "file")
    assert events[-1].entry.size == 5
    (tmp_path / "file").unlink()
    assert handle.get_new_events()[-1].entry is None
    handle.stop()


def test_only_a_recursive_watcher_sees_what_is_below(sandbox, tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    flat = sandbox.files.watch_dir(str(tmp_path))
    deep = sandbox.files.watch_dir(str(tmp_path), recursive=True)
    (tmp_path / "a" / "b" / "file").touch()
    assert news(flat) == []
    assert ("a/b/file", CREATE) in news(deep)
    flat.stop()
    deep.stop()


def test_a_recursive_watcher_follows_new_directories(sandbox, tmp_path):
    handle = sandbox.files.watch_dir(str(tmp_path), recursive=True)
    (tmp_path / "x" / "y").mkdir(parents=True)
    (tmp_path / "x" / "y" / "early").write_text("1")
    assert {("x", CREATE), ("x/y", CREATE), ("x/y/early", CREATE)} <= set(news(handle))
    (tmp_path / "x" / "y" / "late").write_text("1")
    assert ("x/y/late", WRITE) in news(handle)
    os.rename(tmp_path / "x", tmp_path / "z")
    assert {("x", RENAME), ("z", CREATE)} <= set(news(handle))
    (tmp_path / "z" / "y" / "late").write_text("2")
    assert ("z/y/late", WRITE) in news(handle)
    handle.stop()


def test_a_watcher_that_is_never_asked_says_that_it_lost_events(sandbox, tmp_path):
    handle = sandbox.files.watch_dir(str(tmp_path))
    for index in range(11_000):
        (tmp_path / f"file{index}").touch()
        (tmp_path / f"file{index}").unlink()
    with pytest.raises(Exception, match="were lost"):
        handle.get_new_events()
    handle.stop()


def test_only_directories_are_watched(sandbox, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidArgumentException, match="not a directory"):
        sandbox.files.watch_dir(str(tmp_path / "file"))
    with pytest.raises(FileNotFoundException):
        sandbox.files.watch_dir(str(tmp_path / "missing"))


def test_a_stopped_watcher_is_gone(sandbox, tmp_path):
    handle = sandbox.files.watch_dir(str(tmp_path))
    handle.stop()
    with pytest.raises(SandboxException):
        handle.get_new_events()
    with pytest.raises(SandboxException):
        handle.stop()


async def test_a_followed_directory_reports_at_once(envd, tmp_path):
    sandbox = envd.client(AsyncSandbox)
    seen = asyncio.Queue()
    handle = await sandbox.files.watch_dir(
        str(tmp_path), on_event=lambda event: seen.put_nowait((event.name, event.type))
    )
    await sandbox.files.write(str(tmp_path / "file"), "content")
    events = [await asyncio.wait_for(seen.get(), 10) for _ in range(3)]
    assert events == [("file", CREATE), ("file", CHMOD), ("file", WRITE)]
    await handle.stop()
