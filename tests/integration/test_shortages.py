"""A server whose machine has run out of something: it says of what, serves on, and starts again."""

import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from e2b import Template, Volume
from e2b_code_interpreter import Sandbox

from support.privileges import needs_root
from support.sandbox_server import SandboxServer, data_folder, wait_until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a data folder on a disk of 24 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", str(place)], check=True
    )
    try:
        yield data_folder(place)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@contextmanager
def serving(data: Path, pool: int = 1) -> Iterator[SandboxServer]:
    server = SandboxServer(("--data", str(data), "--pool", str(pool))).start()
    try:
        yield server
    finally:
        assert server.stop() == 0
        assert "Exception in ASGI" not in "".join(server.log_lines)


def fill(disk: Path) -> Path:
    """Leave no room on a disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 65536)
        except OSError:
            pass
        try:
            while True:
                file.write(b"\0")
        except OSError:
            return filler


def post(server: SandboxServer, path: str, body: object) -> httpx.Response:
    return httpx.post(f"{server.url}{path}", json=body, headers={"X-API-KEY": server.key})


@needs_root("mounts a small disk")
def test_a_full_disk_is_told_and_costs_nothing(
    sandbox_server: SandboxServer, small_disk: Path
) -> None:
    with serving(small_disk) as server:
        api = {"api_url": server.url, "api_key": server.key}
        kept = Volume.create("kept", **api)
        paused = Sandbox.create("base", timeout=600, **server.sdk)
        paused.files.write("kept", "kept")
        paused.pause()
        running = Sandbox.create("base", timeout=600, **server.sdk)
        filler = fill(small_disk)

        assert running.commands.run("echo served").stdout == "served\n"
        for path, body in (
            (f"/sandboxes/{running.sandbox_id}/pause", {"memory": True}),
            (f"/sandboxes/{running.sandbox_id}/pause", {"memory": False}),
            (f"/sandboxes/{running.sandbox_id}/snapshots", {}),
            ("/volumes", {"name": "other"}),
            ("/secrets", {"name": "one", "value": "x"}),
            ("/v3/templates", {"name": "mine"}),
        ):
            reply = post(server, path, body)
            assert reply.status_code in (500, 507), f"{path}: {reply.text}"
            assert reply.headers["content-type"] == "application/json"
            assert "No space left" in reply.text or "no room" in reply.text, reply.text
        assert running.commands.run("echo on").stdout == "on\n"
        assert Sandbox.create("base", **server.sdk).kill()
        assert [one.volume_id for one in Volume.list(**api)] == [kept.volume_id]

        filler.unlink()
        assert running.pause() is True
        assert running.connect().commands.run("echo again").stdout == "again\n"
        other = Volume.create("other", **api)
        Volume.destroy(other.volume_id, **api)
        fill(small_disk)
    (small_disk / "filler").unlink()
    with serving(small_disk) as again:
        woken = Sandbox.connect(paused.sandbox_id, timeout=60, **again.sdk)
        assert woken.files.read("kept") == "kept"
        woken.kill()


@needs_root("mounts a small disk")
def test_a_server_that_finds_its_disk_full_starts_or_says_why(
    sandbox_server: SandboxServer, small_disk: Path
) -> None:
    with serving(small_disk):
        pass
    filler = fill(small_disk)
    try:
        with serving(small_disk) as server:  # all that it needs is there
            assert Sandbox.create("base", **server.sdk).kill()
    finally:
        filler.unlink()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    command = [sys.executable, "-m", "capibara6_sandbox", "serve", "--port", "0"]
    ended = subprocess.run(
        [*command, "--data", str(small_disk)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode != 0
    assert "cannot start" in ended.stderr
    assert "Read-only file system" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_server_without_descriptors_says_so_and_serves_again(
    sandbox_server: SandboxServer, tmp_path: Path
) -> None:
    with serving(data_folder(tmp_path), pool=0) as server:
        sandbox = Sandbox.create("base", timeout=600, **server.sdk)
        held = server.open_fds()
        pid = server.process.pid
        _, most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (held + 4, most))
        address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        with ExitStack() as clients:
            statuses = set()
            for _ in range(3):
                clients.enter_context(socket.create_connection(address, 10))
            for _ in range(5):
                try:
                    reply = post(server, "/v2/sandboxes", {"templateID": "base", "timeout": 60})
                except httpx.TransportError:
                    continue
                statuses.add(reply.status_code)
                if reply.status_code != 201:
                    assert "files" in reply.text or "descriptors" in reply.text, reply.text
            assert 201 not in statuses
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
        wait_until(lambda: sandbox.is_running())
        assert sandbox.commands.run("echo on").stdout == "on\n"
        assert Sandbox.create("base", **server.sdk).kill()
        sandbox.kill()
        wait_until(lambda: server.open_fds() <= held)


@needs_root("bounds the processes of the server's group")
def test_a_machine_without_processes_is_told(sandbox_server: SandboxServer, tmp_path: Path) -> None:
    group = next(iter(Path("/sys/fs/cgroup").glob("pids")), Path("/sys/fs/cgroup"))
    place = group / f"c6-test-{os.getpid()}"
    place.mkdir()
    try:
        if not (place / "pids.max").exists():
            pytest.skip("no group can bound processes here")
        with serving(data_folder(tmp_path)) as server:
            sandbox = Sandbox.create("base", timeout=600, **server.sdk)
            nurseries = [
                pid
                for pid in server.descendants()
                if Path(f"/proc/{pid}/comm").read_text().strip() == "c6-nursery"
            ]
            for pid in nurseries:
                (place / "cgroup.procs").write_text(str(pid))
            (place / "pids.max").write_text("1")
            for _ in range(3):
                reply = post(server, "/v2/sandboxes", {"templateID": "base", "timeout": 60})
                if reply.status_code != 201:  # the first may be one that was ready
                    break
            assert reply.status_code == 500
            assert "could not start" in reply.text
            assert "Resource temporarily unavailable" in reply.text
            assert sandbox.commands.run("echo on").stdout == "on\n"
            (place / "pids.max").write_text("max")
            assert Sandbox.create("base", **server.sdk).kill()
    finally:
        place.rmdir()


def test_what_a_killed_server_left_half_written_is_cleared_away_or_told(
    sandbox_server: SandboxServer, tmp_path: Path
) -> None:
    data = data_folder(tmp_path)
    with serving(data) as server:
        paused = Sandbox.create("base", timeout=600, **server.sdk)
        paused.files.write("kept", "kept")
        paused.pause()
        api = {"api_url": server.url, "api_key": server.key}
        recipe = Template().from_template("base").run_cmd("echo built > built")
        built = Template.build(recipe, "whole", **api)
    layers = data / "layers/sandboxes"
    (layers / ".paused/.half").write_text('{"id": "half", "templ')  # written aside
    (layers / ".paused/broken.json").write_text('{"id": "broken", "templ')
    (layers / ".snapshots/empty.json").write_text("")
    (layers / ".part-0123/tree").mkdir(parents=True)  # a layer that was being copied
    (layers / ".part-0123/tree/file").write_text("x")
    (data / "layers/templates/0123456789abcdef/tree").mkdir(parents=True)  # of a step, unrecorded
    record = data / f"own-templates/builds/{built.build_id}.json"
    half = json.loads(record.read_text()) | {"id": "half-built", "status": "building"}
    (record.parent / "half-built.json").write_text(json.dumps(half))
    (data / "volumes/11111111-1111-4111-8111-111111111111/tree").mkdir(parents=True)

    with serving(data) as again:
        log = "".join(again.log_lines)
        assert "broken.json" in log
        assert "empty.json" in log
        assert not (layers / ".paused/.half").exists()
        assert (layers / ".paused/broken.json").exists()  # it may be mended
        assert not (layers / ".part-0123").exists()
        assert not (data / "layers/templates/0123456789abcdef").exists()
        wait_until(lambda: not list((data / "volumes").glob("1111*")))
        woken = Sandbox.connect(paused.sandbox_id, timeout=60, **again.sdk)
        assert woken.files.read("kept") == "kept"
        woken.kill()
        path = f"/templates/{built.template_id}/builds/half-built/status"
        told = httpx.get(f"{again.url}{path}", headers={"X-API-KEY": again.key}).json()
        assert told["status"] == "error"
        assert "The server stopped while this build ran" in str(told)
        sandbox = Sandbox.create("whole", timeout=60, **again.sdk)
        assert sandbox.files.read("built") == "built\n"
        sandbox.kill()
