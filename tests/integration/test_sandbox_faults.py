"""A server whose parts are killed: nothing is left on the machine, and it says what happened."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2b.exceptions import AuthenticationException, TimeoutException
from e2b_code_interpreter import Sandbox

from support.sandbox_server import SandboxServer, wait_until


@pytest.fixture
def server(sandbox_server: SandboxServer) -> Iterator[SandboxServer]:
    """Give a server that a test may break; the session's own has built the templates."""
    server = SandboxServer().start()
    yield server
    server.stop()


def _alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _named(server: SandboxServer, name: str) -> list[int]:
    pids = server.descendants()
    return [pid for pid in pids if Path(f"/proc/{pid}/comm").read_text().strip() == name]


def _busy_sandbox(server: SandboxServer) -> Sandbox:
    sandbox = Sandbox.create(**server.sdk)
    sandbox.run_code("import subprocess; subprocess.Popen(['setsid', 'sleep', '1000'])")
    sandbox.commands.run("setsid sleep 1000", background=True)
    return sandbox


def test_nothing_outlives_a_server_killed_with_9(server: SandboxServer) -> None:
    _busy_sandbox(server)
    processes, groups = server.descendants(), server.cgroups()
    folder, key = server.run_folder(), server.key
    assert len(processes) > 4
    server.process.kill()
    server.process.wait()
    wait_until(lambda: not any(map(_alive, processes)))
    again = SandboxServer(("--api-key", key)).start()
    try:
        assert not folder.exists()
        assert [group for group in groups if group.exists()] == []
        assert Sandbox.create(**again.sdk).run_code("1 + 1").text == "2"
    finally:
        again.stop()


def test_a_server_told_to_stop_leaves_nothing(server: SandboxServer) -> None:
    _busy_sandbox(server)
    processes, groups, folder = server.descendants(), server.cgroups(), server.run_folder()
    assert server.stop() == 0
    assert [pid for pid in processes if _alive(pid)] == []
    assert [group for group in groups if group.exists()] == []
    assert not folder.exists()


def test_another_server_is_left_alone(server: SandboxServer, sandbox_server: SandboxServer) -> None:
    sandbox = Sandbox.create(**sandbox_server.sdk)
    try:
        server.stop()
        assert sandbox.run_code("1 + 1").text == "2"
    finally:
        sandbox.kill()


def test_a_killed_zygote_is_started_again(server: SandboxServer) -> None:
    sandbox = Sandbox.create(**server.sdk)
    (zygote,) = _named(server, "c6-zygote")
    os.kill(zygote, signal.SIGKILL)
    wait_until(lambda: not _alive(zygote))
    assert sandbox.run_code("1 + 1").text == "2"  # kernels that it has forked live on
    context = sandbox.create_code_context()
    assert sandbox.run_code("2 + 2", context=context).text == "4"
    assert _named(server, "c6-zygote") != [zygote]
    sandbox.kill()


def test_a_killed_nursery_is_started_again_without_its_sandboxes(server: SandboxServer) -> None:
    sandbox = Sandbox.create(**server.sdk)
    egress = _named(server, "c6-egress")  # serves the sandboxes of the next nursery too
    processes = [pid for pid in server.descendants() if pid not in egress]
    (outer, *_) = _named(server, "c6-nursery")
    os.kill(outer, signal.SIGKILL)
    wait_until(lambda: not any(map(_alive, processes)) and not sandbox.is_running())
    new = Sandbox.create(**server.sdk)
    assert new.run_code("1 + 1").text == "2"
    assert "nursery" in "".join(server.log_lines)
    groups = server.cgroups()
    assert not [group for group in groups if group.name == sandbox.sandbox_id]
    new.kill()


def test_a_sandbox_whose_first_process_is_killed_has_ended(server: SandboxServer) -> None:
    sandbox = Sandbox.create("base", **server.sdk)
    for agent in _named(server, "c6-agent"):
        os.kill(agent, signal.SIGKILL)
    wait_until(lambda: not sandbox.is_running())
    assert Sandbox.create("base", **server.sdk).commands.run("echo on").stdout == "on\n"


def test_a_sandbox_killed_during_a_command_cuts_its_connection(server: SandboxServer) -> None:
    sandbox = Sandbox.create(**server.sdk)
    command = sandbox.commands.run("sleep 60", background=True)
    sandbox.kill()
    with pytest.raises(TimeoutException, match="sandbox was killed or reached its end of life"):
        command.wait()


def test_a_sandbox_killed_during_code_cuts_its_connection(server: SandboxServer) -> None:
    sandbox = Sandbox.create(**server.sdk)

    def kill(_: object) -> None:
        Sandbox.kill(sandbox.sandbox_id, **server.sdk)

    with pytest.raises(TimeoutException, match="sandbox was killed while"):
        sandbox.run_code("import time; print('on', flush=True); time.sleep(60)", on_stdout=kill)
    assert "Traceback" not in "".join(server.log_lines)


def test_a_port_in_use_is_named(sandbox_server: SandboxServer) -> None:
    port = sandbox_server.url.rpartition(":")[2]
    status, message = _refused_start("--port", port)
    assert status == 2
    assert port in message
    assert "Choose another --port" in message


@pytest.mark.parametrize("key", ["secret", "e2b_12", "e2b_xyzxyzxyz", "E2B_0123456789"])
def test_a_key_that_clients_refuse_is_refused_at_the_start(key: str) -> None:
    status, message = _refused_start("--port", "0", "--api-key", key)
    assert status == 2
    assert "--api-key" in message
    assert key not in message


def _refused_start(*arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "capibara6_sandbox", "serve", *arguments]
    source = str(Path(__file__).parents[2] / "src")
    ended = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr


def test_a_wrong_key_is_refused(sandbox_server: SandboxServer) -> None:
    wrong = {**sandbox_server.sdk, "api_key": "e2b_" + "0" * 40}
    with pytest.raises(AuthenticationException, match="API key"):
        Sandbox.create(**wrong)
