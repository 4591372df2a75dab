"""Paused sandboxes and the end of their server: what is found again, and what is left of them."""

from pathlib import Path

import pytest
from e2b.exceptions import NotFoundException
from e2b_code_interpreter import Sandbox

from capibara6_sandbox.arguments import data_folder
from support.sandbox_server import SandboxServer, wait_until


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a data folder of the test's own, with the templates of the machine's."""
    (data_folder() / "templates").mkdir(parents=True, exist_ok=True)
    (tmp_path / "templates").symlink_to(data_folder() / "templates")
    return tmp_path


@pytest.mark.parametrize("memory", [True, False])
def test_nothing_is_left_of_a_paused_sandbox_that_is_killed(home: Path, memory: bool) -> None:
    server = SandboxServer(("--data", str(home), "--pool", "0")).start()
    try:
        before = len(server.descendants())
        sandbox = Sandbox.create("base", **server.sdk)
        sandbox.commands.run("sleep 1000", background=True)
        sandbox.pause(keep_memory=memory)
        assert sandbox.kill() is True
        assert sandbox.kill() is False
        wait_until(lambda: _kept(home) == [] and len(server.descendants()) == before)
        assert server.cgroups() == []
    finally:
        assert server.stop() == 0


def test_paused_sandboxes_survive_the_server(home: Path) -> None:
    arguments = ("--data", str(home), "--pool", "0")
    server = SandboxServer(arguments).start()
    made = {}
    for memory in (True, False):
        sandbox = Sandbox.create("base", metadata={"m": str(memory)}, **server.sdk)
        sandbox.files.write("kept.txt", str(memory))
        sandbox.pause(keep_memory=memory)
        made[memory] = sandbox.sandbox_id
    snapshot = Sandbox.create("base", **server.sdk).create_snapshot(name="survivor")
    assert server.stop() == 0
    again = SandboxServer(arguments).start()
    try:
        for memory, sandbox_id in made.items():
            sandbox = Sandbox.connect(sandbox_id, **again.sdk)
            assert sandbox.files.read("kept.txt") == str(memory)
            assert sandbox.get_info().metadata == {"m": str(memory)}
            sandbox.kill()
        Sandbox.create(snapshot.snapshot_id, **again.sdk).kill()
        assert Sandbox.delete_snapshot("survivor", **again.sdk) is True
        wait_until(lambda: _kept(home) == [])
    finally:
        assert again.stop() == 0


def test_files_that_were_put_away_survive_a_kill_with_9(home: Path) -> None:
    arguments = ("--data", str(home), "--pool", "0")
    server = SandboxServer(arguments).start()
    sandbox = Sandbox.create("base", **server.sdk)
    sandbox.files.write("kept.txt", "kept")
    sandbox.pause(keep_memory=False)
    (home / "layers/sandboxes/.paused/damaged.json").write_text('{"id": "damaged"}')
    (home / "layers/sandboxes/.part-left").mkdir()
    server.process.kill()
    server.stop()
    again = SandboxServer(arguments).start()
    try:
        assert not (home / "layers/sandboxes/.part-left").exists()
        assert any("record_damaged" in line for line in again.log_lines)
        connected = Sandbox.connect(sandbox.sandbox_id, **again.sdk)
        assert connected.files.read("kept.txt") == "kept"
    finally:
        assert again.stop() == 0


def test_a_damaged_record_costs_no_files(home: Path) -> None:
    arguments = ("--data", str(home), "--pool", "0")
    server = SandboxServer(arguments).start()
    sandbox = Sandbox.create("base", **server.sdk)
    sandbox.files.write("kept.txt", "kept")
    sandbox.pause(keep_memory=False)
    assert server.stop() == 0
    record = home / f"layers/sandboxes/.paused/{sandbox.sandbox_id}.json"
    whole = record.read_text()
    record.write_text(whole[: len(whole) // 2])
    server = SandboxServer(arguments).start()
    with pytest.raises(NotFoundException):
        Sandbox.connect(sandbox.sandbox_id, **server.sdk)
    assert server.stop() == 0
    record.write_text(whole)
    server = SandboxServer(arguments).start()
    try:
        connected = Sandbox.connect(sandbox.sandbox_id, **server.sdk)
        assert connected.files.read("kept.txt") == "kept"
    finally:
        assert server.stop() == 0


def _kept(home: Path) -> list[str]:
    folder = home / "layers/sandboxes"
    records = [p.name for kind in (".paused", ".snapshots") for p in (folder / kind).glob("*")]
    layers = [p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")]
    return records + layers
