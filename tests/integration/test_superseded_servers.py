"""A server whose address another one has taken over: nobody finds it any more, and it ends."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from e2b import Template
from e2b_code_interpreter import Sandbox

from support.platform_process import Installation
from support.sandbox_server import SandboxServer, data_folder, wait_until

_LOOKS_S = 3.0  # it looks once a second whether another one has taken its place


@pytest.fixture
def home(tmp_path: Path, sandbox_server: SandboxServer) -> Path:
    """Give a data folder that servers share; the session's own has built the templates."""
    return data_folder(tmp_path)


@pytest.fixture
def older(home: Path) -> Iterator[SandboxServer]:
    """Give a server whose address stood in the file first."""
    with _telling(home) as server:
        yield server


@contextmanager
def _telling(home: Path) -> Iterator[SandboxServer]:
    server = SandboxServer(("--data", str(home), "--state", str(_state(home)))).start()
    try:
        yield server
    finally:
        server.stop()


def _state(home: Path) -> Path:
    return home / "sandbox-server.json"


def _told(home: Path) -> int:
    return int(json.loads(_state(home).read_text())["pid"])


def _take_its_place(home: Path) -> None:
    """Name another process where a server told its address."""
    _state(home).write_text(json.dumps({"pid": os.getpid()}))


def _lives(pid: int) -> bool:
    return _stat(pid)[0] not in "ZX"


def _stat(pid: int) -> list[str]:
    """State, parent, and more; of one that is gone, as of one that is dead."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ["X", "0"]
    return text.rpartition(")")[2].split()


def _left(processes: list[int], places: list[Path], folder: Path) -> list[str]:
    mounts = Path("/proc/self/mountinfo").read_text().count(str(folder))
    found = [f"process {pid}" for pid in processes if _lives(pid)]
    return found + [str(path) for path in places if path.exists()] + ["mount"] * mounts


def test_a_server_that_nobody_finds_ends_and_leaves_nothing(
    older: SandboxServer, home: Path
) -> None:
    processes, groups, folder = older.descendants(), older.cgroups(), older.run_folder()
    assert processes
    with _telling(home) as newer:
        assert older.process.wait(30) == 0
        wait_until(lambda: not _left(processes, [folder, *groups], folder))
        assert any("superseded" in line for line in older.log_lines)
        assert _told(home) == newer.process.pid  # it did not take the other's address with it
        with Sandbox.create(**newer.sdk) as sandbox:
            assert sandbox.run_code("1 + 1").text == "2"
    assert not _state(home).exists()


def test_it_ends_only_when_its_last_sandbox_has(older: SandboxServer, home: Path) -> None:
    sandbox = Sandbox.create(**older.sdk)
    sandbox.run_code("kept = 42")
    _take_its_place(home)
    with pytest.raises(subprocess.TimeoutExpired):
        older.process.wait(_LOOKS_S)
    assert sandbox.run_code("kept").text == "42"
    processes, groups, folder = older.descendants(), older.cgroups(), older.run_folder()
    sandbox.kill()
    assert older.process.wait(30) == 0
    wait_until(lambda: not _left(processes, [folder, *groups], folder))
    assert _told(home) == os.getpid()


def test_it_ends_only_when_its_last_build_has(older: SandboxServer, home: Path) -> None:
    api = {"api_url": older.url, "api_key": older.key}
    slow = Template().from_template("base").run_cmd(f"sleep {2 * _LOOKS_S}")
    build = Template.build_in_background(slow, "slow", **api)
    _take_its_place(home)
    with pytest.raises(subprocess.TimeoutExpired):
        older.process.wait(_LOOKS_S)
    assert Template.get_build_status(build, **api).status.value == "building"
    assert older.process.wait(60) == 0
    record = (home / "own-templates").rglob(f"*{build.build_id}*.json")
    assert json.loads(next(record).read_text())["status"] == "ready"


def test_a_file_that_is_gone_or_names_nobody_ends_no_server(
    older: SandboxServer, home: Path
) -> None:
    for text in ("", "[]", "{}", '{"pid": "?"}'):
        _state(home).write_text(text)
    _state(home).unlink()
    with pytest.raises(subprocess.TimeoutExpired):
        older.process.wait(_LOOKS_S)
    assert Sandbox.create(**older.sdk).kill()


def test_a_server_whose_platform_is_killed_before_it_is_ready_leaves_its_place_to_the_next(
    tmp_path: Path, sandbox_server: SandboxServer
) -> None:
    installed = Installation(tmp_path / "home")
    platform = installed.start("serve", "--port", "0")
    wait_until(lambda: _servers(installed.home) and "starting the zygotes" in _log(installed.home))
    (server,) = _servers(installed.home)
    platform.kill()
    platform.communicate()
    wait_until(lambda: not _lives(server))
    assert installed.server_state() is None
    assert "orphaned" in _log(installed.home)
    with installed.serving():
        wait_until(lambda: installed.server_state() is not None)
        assert installed.server_state()["degraded"] == _degraded(sandbox_server)
    installed.stop_server()
    wait_until(lambda: not _servers(installed.home))


def _servers(home: Path) -> list[int]:
    state = str(_state(home)).encode()
    found = [
        int(folder.name)
        for folder in Path("/proc").glob("[0-9]*")
        if state in _bytes(folder / "cmdline").split(b"\0")
    ]
    # What a server starts has its command line until it has its own.
    return [pid for pid in found if _lives(pid) and int(_stat(pid)[1]) not in found]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _log(home: Path) -> str:
    return _bytes(home / "sandbox-server.log").decode(errors="replace")


def _degraded(server: SandboxServer) -> list[str]:
    """Return what this machine lacks, as the session's server found it."""
    lines = "".join(server.log_lines)
    return re.findall(r"degraded +what='([^']*)'", lines)
