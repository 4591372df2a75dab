"""The published Python SDK: snapshots and forks, with the variables of the Python kernels."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from e2b.exceptions import NotFoundException, SandboxException
from e2b_code_interpreter import AsyncSandbox, Sandbox

from support.sandbox_server import SandboxServer, wait_until

ORIGIN = """
import os, random, numpy as np
x = 41
data = np.arange(1_000_000)
generator = np.random.default_rng(7)
file = open('/home/user/notes', 'w+'); file.write('hello'); file.flush()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    server = SandboxServer(("--pool", "0")).start()
    if not server.has_cgroups:
        server.stop()
        pytest.skip("variables are carried where there are cgroups")
    yield server
    assert server.stop() == 0


@pytest.fixture
def origin(server: SandboxServer) -> Iterator[Sandbox]:
    sandbox = Sandbox.create(**server.sdk)
    assert sandbox.run_code(ORIGIN).error is None
    yield sandbox
    sandbox.kill()


@pytest.fixture(autouse=True)
def nothing_left(server: SandboxServer) -> Iterator[None]:
    processes, groups = len(server.descendants()), len(server.cgroups())
    yield
    for snapshot in _all(server):
        Sandbox.delete_snapshot(snapshot, **server.sdk)
    wait_until(lambda: len(server.descendants()) <= processes)
    wait_until(lambda: len(server.cgroups()) <= groups)


def _all(server: SandboxServer) -> list[str]:
    found, pages = [], Sandbox.list_snapshots(**server.sdk)
    while pages.has_next:
        found += [snapshot.snapshot_id for snapshot in pages.next_items()]
    return found


def _value(sandbox: Sandbox, code: str) -> str | None:
    done = sandbox.run_code(code)
    assert done.error is None, (done.error, done.logs)
    assert done.logs.stderr == []
    return done.text


def _started(server: SandboxServer, snapshot_id: str) -> Sandbox:
    return Sandbox.create(snapshot_id, **server.sdk)


def test_a_snapshot_carries_the_variables_of_its_moment(
    server: SandboxServer, origin: Sandbox
) -> None:
    snapshot = origin.create_snapshot()
    _value(origin, "x = 0; data[0] = 7")
    origin.files.write("/home/user/notes", "later")
    with _started(server, snapshot.snapshot_id) as sandbox:
        assert _value(sandbox, "x, int(data[0]), int(data.sum())") == "(41, 0, 499999500000)"
        assert _value(sandbox, "file.seek(0); file.read()") == "hello"
        assert sandbox.files.read("/home/user/notes") == "hello"
        assert sandbox.commands.run("hostname").stdout.strip() == sandbox.sandbox_id


def test_sandboxes_of_a_snapshot_are_independent(server: SandboxServer, origin: Sandbox) -> None:
    snapshot = origin.create_snapshot()
    first, second = (_started(server, snapshot.snapshot_id) for _ in range(2))
    _value(first, "x = 1; data[0] = 5; file.write(' first'); file.flush()")
    assert _value(second, "x, int(data[0])") == "(41, 0)"
    assert _value(origin, "x, int(data[0])") == "(41, 0)"
    assert second.files.read("/home/user/notes") == "hello"
    draw = "random.random(), np.random.rand(), generator.random()"
    assert len({_value(sandbox, draw) for sandbox in (origin, first, second)}) == 3
    first.kill()
    second.kill()
    with _started(server, snapshot.snapshot_id) as third:
        assert _value(third, "x") == "41"


@pytest.mark.parametrize("end", ["killed", "paused", "put away", "resumed"])
def test_the_origin_may_be_gone(server: SandboxServer, end: str) -> None:
    origin = Sandbox.create(**server.sdk)
    assert origin.run_code(ORIGIN).error is None
    snapshot = origin.create_snapshot()
    if end == "killed":
        origin.kill()
    else:
        origin.pause(keep_memory=end != "put away")
    if end == "resumed":
        origin.connect()
    with _started(server, snapshot.snapshot_id) as sandbox:
        assert _value(sandbox, "x") == "41"
    assert Sandbox.delete_snapshot(snapshot.snapshot_id, **server.sdk)
    if end == "paused":
        assert _value(origin.connect(), "x") == "41"
    origin.kill()


async def test_many_start_from_one_at_once(server: SandboxServer, origin: Sandbox) -> None:
    snapshot = origin.create_snapshot()
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(AsyncSandbox.create(snapshot.snapshot_id, **server.sdk))
            for _ in range(10)
        ]
    sandboxes = [task.result() for task in tasks]
    for number, sandbox in enumerate(sandboxes):
        done = await sandbox.run_code(f"x += {number}; x")
        assert (done.text, done.logs.stderr) == (str(41 + number), [])
    for sandbox in sandboxes:
        await sandbox.kill()


def test_a_snapshot_of_a_sandbox_of_a_snapshot(server: SandboxServer, origin: Sandbox) -> None:
    with _started(server, origin.create_snapshot().snapshot_id) as child:
        _value(child, "x += 1")
        with _started(server, child.create_snapshot().snapshot_id) as grandchild:
            _value(grandchild, "x += 1")
            child.kill()
            (fork,) = grandchild.fork()
            assert isinstance(fork, Sandbox)
            assert _value(fork, "x") == "43"
            fork.kill()


def test_snapshots_are_listed_filtered_named_and_deleted(
    server: SandboxServer, origin: Sandbox
) -> None:
    plain = origin.create_snapshot()
    named = origin.create_snapshot(name="analysis")
    with Sandbox.create("base", **server.sdk) as other:
        theirs = other.create_snapshot(name="analysis:other")
        assert set(_all(server)) == {
            plain.snapshot_id,
            named.snapshot_id,
            theirs.snapshot_id,
        }
        mine = Sandbox.list_snapshots(sandbox_id=origin.sandbox_id, **server.sdk).next_items()
        assert {snapshot.snapshot_id for snapshot in mine} == {plain.snapshot_id, named.snapshot_id}
        paged = Sandbox.list_snapshots(limit=2, **server.sdk)
        assert len(paged.next_items()) == 2
        assert len(paged.next_items()) == 1
    assert named.names == ["analysis"]
    with _started(server, "analysis") as sandbox:
        assert _value(sandbox, "x") == "41"
    _value(origin, "x = 1")
    assert origin.create_snapshot(name="analysis").snapshot_id == named.snapshot_id
    with _started(server, "analysis") as sandbox:
        assert _value(sandbox, "x") == "1"
    assert Sandbox.delete_snapshot("analysis", **server.sdk) is True
    assert Sandbox.delete_snapshot("analysis", **server.sdk) is False
    with pytest.raises(SandboxException, match="404"):
        Sandbox.create("analysis", **server.sdk)


def test_sandboxes_outlive_their_snapshot(server: SandboxServer, origin: Sandbox) -> None:
    snapshot = origin.create_snapshot()
    with _started(server, snapshot.snapshot_id) as sandbox:
        assert Sandbox.delete_snapshot(snapshot.snapshot_id, **server.sdk)
        assert _value(sandbox, "x") == "41"


def test_a_dead_or_paused_sandbox_has_no_snapshot_and_no_fork(server: SandboxServer) -> None:
    sandbox = Sandbox.create("base", **server.sdk)
    sandbox.pause()
    with pytest.raises(NotFoundException):
        sandbox.create_snapshot()
    with pytest.raises(SandboxException, match="paused"):
        sandbox.fork()
    sandbox.kill()
    with pytest.raises(NotFoundException):
        sandbox.create_snapshot()
    with pytest.raises(NotFoundException):
        sandbox.fork()


def test_twenty_forks_are_made_and_not_21(server: SandboxServer, origin: Sandbox) -> None:
    forks = origin.fork(count=20)
    assert [_value(fork, "x") for fork in forks if isinstance(fork, Sandbox)] == ["41"] * 20
    for fork in forks:
        assert isinstance(fork, Sandbox)
        fork.kill()
    for count in (0, 21):
        with pytest.raises(SandboxException):
            origin.fork(count=count)


def test_what_cannot_be_carried_is_told(server: SandboxServer, origin: Sandbox) -> None:
    held = "import socket, threading, time; s = socket.socket(); s.bind(('127.0.0.1', 0))"
    _value(origin, f"{held}; threading.Thread(target=time.sleep, args=(60,), name='w').start()")
    origin.commands.run("sleep 60", background=True)
    with _started(server, origin.create_snapshot().snapshot_id) as sandbox:
        done = sandbox.run_code("x")
        assert done.text == "41"
        told = "".join(done.logs.stderr)
        assert "threads: w" in told
        assert "socket" in told
        assert "other processes: " in told
        assert _value(sandbox, "x") == "41"


def test_a_busy_kernel_gives_files_alone_and_says_so(
    server: SandboxServer, origin: Sandbox
) -> None:
    origin.files.write("kept", "kept")
    busy = threading.Thread(target=origin.run_code, args=("import time; time.sleep(4)",))
    busy.start()
    time.sleep(0.5)  # it is in its cell
    snapshot = origin.create_snapshot()
    with _started(server, snapshot.snapshot_id) as sandbox:
        done = sandbox.run_code("1 + 1")
        assert done.text == "2"
        assert "fresh kernels" in "".join(done.logs.stderr)
        assert "busy" in "".join(done.logs.stderr)
        assert sandbox.files.read("kept") == "kept"
    busy.join()
    assert _value(origin, "x") == "41"
