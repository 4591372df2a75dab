"""Stems, which hold the variables of snapshots: bounded, unseen, stopped; without them, files."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from e2b.exceptions import SandboxException
from e2b_code_interpreter import Sandbox

from support.sandbox_server import SandboxServer, data_folder, wait_until

Start = Callable[..., SandboxServer]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start servers on one data folder, one after another."""
    home = data_folder(tmp_path)
    servers: list[SandboxServer] = []

    def begin(*arguments: str) -> SandboxServer:
        for server in servers:
            assert server.stop() == 0
        servers.append(SandboxServer(("--data", str(home), "--pool", "0", *arguments)).start())
        if not servers[-1].has_cgroups:
            pytest.skip("variables are carried where there are cgroups")
        return servers[-1]

    yield begin
    assert servers[-1].stop() == 0


def _holding(server: SandboxServer, megabytes: int, template: str | None = None) -> Sandbox:
    sandbox = Sandbox.create(template, **server.sdk)
    assert sandbox.run_code(f"x = 41; held = b'x' * {megabytes << 20}").error is None
    sandbox.files.write("kept", "kept")
    return sandbox


def _outcome(server: SandboxServer, snapshot_id: str) -> str:
    """Return what x is in a sandbox of a snapshot, and what it says of that."""
    with Sandbox.create(snapshot_id, **server.sdk) as sandbox:
        assert sandbox.files.read("kept") == "kept"
        done = sandbox.run_code("x")
        return f"{done.text} {''.join(done.logs.stderr)}"


def test_the_one_used_longest_ago_leaves_and_says_so(start: Start) -> None:
    server = start("--snapshot-memory", "150")
    sandbox = _holding(server, 50)
    first, second = (sandbox.create_snapshot().snapshot_id for _ in range(2))
    assert _outcome(server, first) == "41 "
    third = sandbox.create_snapshot().snapshot_id
    assert _outcome(server, first) == "41 "
    assert _outcome(server, third) == "41 "
    assert "newer snapshots needed the room" in _outcome(server, second)
    assert any("variables_left" in line and "newer" in line for line in server.log_lines)


def test_too_much_is_not_kept_and_says_so(start: Start) -> None:
    server = start("--snapshot-memory", "30")
    told = _outcome(server, _holding(server, 50).create_snapshot().snapshot_id)
    assert "fresh kernels" in told
    assert "--snapshot-memory allows 30" in told
    assert any("variables_not_kept" in line for line in server.log_lines)


def test_the_files_outlive_the_server(start: Start) -> None:
    server = start()
    snapshot = _holding(server, 1).create_snapshot(name="survivor")
    again = start()
    told = _outcome(again, snapshot.snapshot_id)
    assert "started anew" in told
    assert told.startswith("None ")


def test_stems_are_no_sandboxes_and_stand_still(start: Start) -> None:
    server = start("--max-sandboxes", "1")
    sandbox = _holding(server, 1)
    for _ in range(3):
        sandbox.create_snapshot()
    listed = Sandbox.list(**server.sdk).next_items()
    assert [info.sandbox_id for info in listed] == [sandbox.sandbox_id]
    groups = [path for path in server.cgroups() if path.name != sandbox.sandbox_id]
    assert len({path.name for path in groups}) == 3
    states = [path / name for path in groups for name in ("freezer.state", "cgroup.freeze")]
    frozen = [path.read_text().strip() for path in states if path.exists()]
    assert len(frozen) == 3
    assert set(frozen) <= {"FROZEN", "1"}
    for stem in {path.name for path in groups}:
        with pytest.raises(SandboxException, match="not found"):
            Sandbox.connect(stem, **server.sdk)


def test_a_sandbox_without_python_has_nothing_to_tell(start: Start) -> None:
    server = start()
    with Sandbox.create("base", **server.sdk) as sandbox:
        sandbox.files.write("kept", "kept")
        snapshot = sandbox.create_snapshot()
    with Sandbox.create(snapshot.snapshot_id, **server.sdk) as started:
        assert started.files.read("kept") == "kept"
    assert not any("variables" in line for line in server.log_lines)


def test_nothing_is_left_of_families_of_stems(start: Start) -> None:
    server = start()
    before = len(server.descendants())
    sandbox = _holding(server, 1)
    snapshot = sandbox.create_snapshot()
    child = Sandbox.create(snapshot.snapshot_id, **server.sdk)
    grandchild = Sandbox.create(child.create_snapshot(name="second").snapshot_id, **server.sdk)
    sandbox.kill()
    child.kill()
    Sandbox.delete_snapshot(snapshot.snapshot_id, **server.sdk)
    assert grandchild.run_code("x").text == "41"
    Sandbox.delete_snapshot("second", **server.sdk)
    assert grandchild.run_code("x").text == "41"
    grandchild.kill()
    wait_until(lambda: len(server.descendants()) <= before)
    assert server.cgroups() == []


def test_without_cgroups_files_are_carried_and_the_rest_is_told(tmp_path: Path) -> None:
    hide = 'umount -a -t cgroup,cgroup2; exec "$@"'
    wrapper = () if os.geteuid() else ("unshare", "-m", "sh", "-c", hide, "sh")
    home = data_folder(tmp_path)
    server = SandboxServer(("--data", str(home), "--pool", "0"), wrapper=wrapper).start()
    try:
        if server.has_cgroups:
            pytest.skip("this user has cgroups")
        sandbox = _holding(server, 1)
        with _fork(sandbox) as fork:
            assert fork.files.read("kept") == "kept"
            assert "no cgroups" in "".join(fork.run_code("1").logs.stderr)
            assert fork.run_code("1").logs.stderr == []
        told = _outcome(server, sandbox.create_snapshot().snapshot_id)
        assert told.startswith("None ")
        assert "no cgroups" in told
        assert sandbox.run_code("x").text == "41"
        sandbox.kill()
    finally:
        assert server.stop() == 0


def _fork(sandbox: Sandbox) -> Sandbox:
    (fork,) = sandbox.fork()
    assert isinstance(fork, Sandbox)
    return fork


def test_generations_end_where_namespaces_do_and_say_so(start: Start) -> None:
    server = start()
    sandbox = _holding(server, 0)
    for generation in range(1, 20):
        snapshot = sandbox.create_snapshot().snapshot_id
        descendant = Sandbox.create(snapshot, timeout=600, **server.sdk)
        sandbox.kill()
        sandbox = descendant
        done = sandbox.run_code("x += 1; x")
        if done.error is not None:
            break
        assert done.text == str(41 + generation)
    assert generation > 10
    assert "32 deep" in "".join(done.logs.stderr)
    assert sandbox.files.read("kept") == "kept"
    assert sandbox.run_code("1 + 1").text == "2"
    sandbox.kill()
