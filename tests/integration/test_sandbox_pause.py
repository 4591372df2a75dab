"""Pausing and resuming through the published SDK: what stays, what goes, and what clients see."""

import asyncio
import contextlib
import os
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from e2b import SandboxQuery, SandboxState
from e2b.exceptions import NotFoundException, SandboxException
from e2b_code_interpreter import AsyncSandbox, Sandbox

from capibara6_sandbox.arguments import data_folder
from support.privileges import needs_root
from support.sandbox_server import SandboxServer, wait_until

BOOT_ID = "/proc/sys/kernel/random/boot_id"
COUNTER = "i=0; while true; do i=$((i+1)); echo $i > /tmp/count; sleep 0.01; done"


@pytest.fixture
def server(sandbox_server: SandboxServer) -> SandboxServer:
    return sandbox_server


@pytest.fixture
def sandbox(server: SandboxServer) -> Iterator[Sandbox]:
    sandbox = Sandbox.create(envs={"GIVEN": "1"}, metadata={"k": "v"}, **server.sdk)
    yield sandbox
    sandbox.kill()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a data folder of the test's own, with the templates of the machine's."""
    (data_folder() / "templates").mkdir(parents=True, exist_ok=True)
    (tmp_path / "templates").symlink_to(data_folder() / "templates")
    return tmp_path


def test_a_pause_keeps_variables_programs_and_boot(sandbox: Sandbox) -> None:
    sandbox.run_code("x = 41")
    sandbox.commands.run(COUNTER, background=True)
    wait_until(lambda: sandbox.files.exists("/tmp/count"))
    boot = sandbox.files.read(BOOT_ID)
    assert sandbox.pause() is True
    assert sandbox.pause() is False
    sandbox.connect()
    assert sandbox.run_code("x + 1").text == "42"
    assert sandbox.files.read(BOOT_ID) == boot
    before = int(sandbox.files.read("/tmp/count"))
    wait_until(lambda: int(sandbox.files.read("/tmp/count") or 0) > before)


def test_nothing_runs_in_a_paused_sandbox(server: SandboxServer, sandbox: Sandbox) -> None:
    sandbox.commands.run("while true; do :; done", background=True)
    sandbox.pause()
    wait_until(lambda: any(_state(pid) == "T" for pid in _agents(server)))
    (agent,) = [pid for pid in _agents(server) if _state(pid) == "T"]
    inside = _below(agent)
    used = _ticks(inside)
    time.sleep(0.5)
    assert inside
    assert _ticks(inside) == used
    sandbox.connect()
    wait_until(lambda: _ticks(inside) > used)


def test_what_clients_see_of_a_paused_sandbox(server: SandboxServer, sandbox: Sandbox) -> None:
    sandbox.pause()
    assert sandbox.get_info().state == SandboxState.PAUSED
    assert not sandbox.is_running()
    ours = SandboxQuery(metadata={"k": "v"}, state=[SandboxState.PAUSED])
    assert [s.sandbox_id for s in Sandbox.list(query=ours, **server.sdk).next_items()] == [
        sandbox.sandbox_id
    ]
    for use in (
        lambda: sandbox.commands.run("true"),
        lambda: sandbox.files.read(BOOT_ID),
        lambda: sandbox.run_code("1"),
    ):
        with pytest.raises(Exception, match="not found"):
            use()
    with pytest.raises(NotFoundException):
        sandbox.set_timeout(10)
    with pytest.raises(NotFoundException):
        sandbox.create_snapshot()
    with pytest.raises(SandboxException, match=r"409.*paused"):
        sandbox.fork()


def test_what_runs_while_it_is_paused_is_cut_and_no_variable_lost(sandbox: Sandbox) -> None:
    sandbox.run_code("x = 1")
    failures: list[Exception] = []

    def run() -> None:
        try:
            sandbox.run_code("import time; print('began'); time.sleep(60)", on_stdout=began)
        except Exception as failure:  # noqa: BLE001 - whichever it is, there is one
            failures.append(failure)

    ready = threading.Event()

    def began(_: object) -> None:
        ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    sandbox.pause()
    thread.join(10)
    assert len(failures) == 1
    sandbox.connect()
    assert sandbox.run_code("x").text == "1"


def test_time_limits_stand_still(sandbox: Sandbox) -> None:
    handle = sandbox.commands.run("sleep 1000", background=True, timeout=3)
    sandbox.pause()
    time.sleep(3.5)
    sandbox.connect()
    assert handle.pid in {process.pid for process in sandbox.commands.list()}


def test_its_life_stands_still(server: SandboxServer) -> None:
    sandbox = Sandbox.create("base", timeout=1, **server.sdk)
    sandbox.pause()
    time.sleep(1.5)
    assert sandbox.get_info().state == SandboxState.PAUSED
    sandbox.connect(timeout=60)
    assert sandbox.is_running()
    left = (sandbox.get_info().end_at - sandbox.get_info().started_at).total_seconds()
    assert 55 < left <= 60
    sandbox.kill()


def test_files_alone_can_stay(sandbox: Sandbox) -> None:
    boot = sandbox.files.read(BOOT_ID)
    sandbox.files.write("kept.txt", "kept", metadata={"m": "1"})
    sandbox.commands.run("ln kept.txt hard; ln -s kept.txt soft; chmod 640 kept.txt; mkdir d")
    sandbox.commands.run("rm .bashrc; truncate -s 1G d/sparse")
    assert sandbox.pause(keep_memory=False) is True
    assert sandbox.pause() is False
    sandbox.connect()
    assert sandbox.files.read(BOOT_ID) != boot
    assert sandbox.files.read("soft") == "kept"
    assert sandbox.files.get_info("kept.txt").metadata == {"m": "1"}
    seen = sandbox.commands.run("stat -c '%a %h %U' kept.txt; ls -A; du -k d/sparse; echo $GIVEN")
    lines = seen.stdout.split("\n")
    assert lines[0] == "640 2 user"
    assert ".bashrc" not in lines
    assert "0\td/sparse" in lines
    assert "1" in lines
    assert sandbox.run_code("import os; os.environ['GIVEN']").text == "1"
    assert sandbox.get_info().metadata == {"k": "v"}
    assert sandbox.commands.run("hostname; cat /etc/hostname").stdout.split() == [
        sandbox.sandbox_id,
        sandbox.sandbox_id,
    ]


def test_many_pauses_keep_the_last_state_of_every_file(sandbox: Sandbox) -> None:
    for number in range(10):  # beyond what makes several layers one
        sandbox.files.write(f"f{number}", str(number))
        sandbox.files.write("same", str(number))
        if number:
            sandbox.files.remove(f"f{number - 1}")
        sandbox.pause(keep_memory=False)
        sandbox.connect()
    names = {entry.name for entry in sandbox.files.list("/home/user")}
    assert names == {"f9", "same", ".bashrc", ".profile"}
    assert sandbox.files.read("same") == "9"


def test_a_client_can_ask_for_a_fresh_start(server: SandboxServer, sandbox: Sandbox) -> None:
    boot = sandbox.files.read(BOOT_ID)
    sandbox.files.write("kept.txt", "kept")
    sandbox.pause()
    reply = httpx.post(
        f"{server.url}/v2/sandboxes/{sandbox.sandbox_id}/connect",
        json={"timeout": 60, "memory": False},
        headers={"X-API-KEY": server.key},
    )
    assert reply.status_code == 201
    assert sandbox.files.read("kept.txt") == "kept"
    assert sandbox.files.read(BOOT_ID) != boot


def test_the_calls_of_the_first_generation(server: SandboxServer, sandbox: Sandbox) -> None:
    with httpx.Client(base_url=server.url, headers={"X-API-KEY": server.key}) as api:
        path = f"/sandboxes/{sandbox.sandbox_id}"
        assert api.post(f"{path}/resume", json={}).status_code == 409
        assert api.post(f"{path}/pause").status_code == 204
        assert api.post(f"{path}/pause").status_code == 409
        assert api.post(f"{path}/resume", json={"timeout": 60}).status_code == 201
        assert api.post(f"{path}/connect", json={"timeout": 10}).status_code == 200
        assert api.post("/sandboxes/nosuch/pause").status_code == 404
        assert api.post("/sandboxes/nosuch/resume", json={}).status_code == 404


def test_a_timeout_can_pause(server: SandboxServer) -> None:
    sandbox = Sandbox.create(
        "base", timeout=1, lifecycle={"on_timeout": "pause", "auto_resume": False}, **server.sdk
    )
    wait_until(lambda: sandbox.get_info().state == SandboxState.PAUSED)
    assert not sandbox.is_running()
    sandbox.connect()
    assert sandbox.is_running()
    sandbox.kill()


def test_a_pause_that_began_in_time_is_not_cut_by_the_timeout(
    server: SandboxServer, sandbox: Sandbox
) -> None:
    sandbox.commands.run("head -c 200000000 /dev/urandom > kept")
    log = f"{server.url}/sandboxes/{sandbox.sandbox_id}/logs"
    with ThreadPoolExecutor() as threads:
        paused = threads.submit(sandbox.pause, keep_memory=False)
        key = {"X-API-KEY": server.key}
        wait_until(lambda: "Pausing sandbox" in httpx.get(log, headers=key).text)
        with contextlib.suppress(SandboxException):  # it has been paused meanwhile
            sandbox.set_timeout(0)
        assert paused.result()
    assert sandbox.get_info().state == SandboxState.PAUSED
    sandbox.connect()
    assert sandbox.files.get_info("kept").size == 200_000_000


def test_traffic_can_wake(server: SandboxServer) -> None:
    sandbox = Sandbox.create(
        timeout=60, lifecycle={"on_timeout": "pause", "auto_resume": True}, **server.sdk
    )
    sandbox.run_code("x = 5")
    sandbox.set_timeout(0)
    wait_until(lambda: sandbox.get_info().state == SandboxState.PAUSED)
    assert sandbox.run_code("x").text == "5"
    assert sandbox.get_info().state == SandboxState.RUNNING
    sandbox.kill()


@needs_root("it hides the cgroups from a server")
def test_without_cgroups_the_agent_stops_its_programs(home: Path) -> None:
    hide = 'umount -a -t cgroup,cgroup2; exec "$@"'
    server = SandboxServer(
        ("--data", str(home), "--pool", "0"), wrapper=("unshare", "-m", "sh", "-c", hide, "sh")
    ).start()
    try:
        sandbox = Sandbox.create(**server.sdk)
        sandbox.run_code("x = 41")
        forking = "for i in $(seq 20); do (while true; do (true); done) & done; wait"
        sandbox.commands.run(forking, background=True)
        (agent,) = _agents(server)
        wait_until(lambda: len(_below(agent)) > 20)
        for _ in range(3):
            sandbox.pause()
            inside = _below(agent)
            used = _ticks(inside)
            time.sleep(0.3)
            assert len(inside) > 20
            assert _ticks(inside) == used
            sandbox.connect()
            assert sandbox.run_code("x + 1").text == "42"
        sandbox.kill()
    finally:
        assert server.stop() == 0


async def test_many_clients_at_once_end_in_a_legal_state(server: SandboxServer) -> None:
    async def meddle(sandbox_id: str, seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(6):
            act = dice.choice(["pause", "put_away", "connect", "snapshot"])
            with contextlib.suppress(SandboxException, NotFoundException):
                if act == "connect":
                    await AsyncSandbox.connect(sandbox_id, **server.sdk)
                elif act == "snapshot":
                    made = await AsyncSandbox.create_snapshot(sandbox_id, **server.sdk)
                    await AsyncSandbox.delete_snapshot(made.snapshot_id, **server.sdk)
                else:
                    await AsyncSandbox.pause(sandbox_id, keep_memory=act == "pause", **server.sdk)
        if seed == 7:
            await AsyncSandbox.kill(sandbox_id, **server.sdk)

    ended, living = [await AsyncSandbox.create("base", timeout=120, **server.sdk) for _ in range(2)]
    await living.files.write("kept.txt", "kept")
    async with asyncio.TaskGroup() as group:
        for seed in range(8):
            group.create_task(meddle(ended.sandbox_id, seed))
            group.create_task(meddle(living.sandbox_id, seed + 8))
    with pytest.raises(NotFoundException):
        await ended.get_info()
    connected = await AsyncSandbox.connect(living.sandbox_id, **server.sdk)
    assert await connected.files.read("kept.txt") == "kept"
    assert await connected.kill() is True


def _kept(home: Path) -> list[str]:
    folder = home / "layers/sandboxes"
    records = [p.name for kind in (".paused", ".snapshots") for p in (folder / kind).glob("*")]
    layers = [p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")]
    return records + layers


def _agents(server: SandboxServer) -> list[int]:
    found = []
    for pid in server.descendants():
        with contextlib.suppress(OSError):  # it has just ended
            if Path(f"/proc/{pid}/comm").read_text().strip() == "c6-agent":
                found.append(pid)
    return found


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _below(agent: int) -> list[int]:
    """Return the other processes of an agent's PID namespace."""
    namespace = os.readlink(f"/proc/{agent}/ns/pid")
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdecimal() and os.readlink(f"/proc/{name}/ns/pid") == namespace:
                found.append(int(name))
    return [pid for pid in found if pid != agent]


def _ticks(pids: list[int]) -> int:
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total
