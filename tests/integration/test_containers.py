"""Sandboxes that a container runtime runs: what the self-check does not see from inside.

That they do what others do is tried in tests/contract/test_self_check.py.
"""

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest
from e2b import Volume
from e2b.exceptions import InvalidArgumentException, SandboxException
from e2b_code_interpreter import Sandbox

from capibara6_sandbox.isolation.runtimes import KNOWN
from support.runtimes import TEMPLATES, needs_runtime, start_server
from support.sandbox_server import SandboxServer, wait_until

HOME = ("python", "/home/user")


@pytest.fixture
def server(container_server: SandboxServer) -> SandboxServer:
    return container_server


@pytest.fixture(params=TEMPLATES)
def runtime(request: pytest.FixtureRequest) -> str:
    needs_runtime(request.param)
    return str(request.param)


@pytest.fixture
def sandbox(runtime: str, server: SandboxServer) -> Iterator[Sandbox]:
    sandbox = Sandbox.create(TEMPLATES[runtime], timeout=120, envs={"GIVEN": "1"}, **server.sdk)
    yield sandbox
    sandbox.kill()


def test_contexts_restart_and_keep_apart(sandbox: Sandbox) -> None:
    sandbox.run_code("x = 1")
    other = sandbox.create_code_context(cwd="/tmp")
    assert sandbox.run_code("import os; os.getcwd()", context=other).text == "/tmp"
    assert sandbox.run_code("x", context=other).error.name == "NameError"
    default = next(c for c in sandbox.list_code_contexts() if (c.language, c.cwd) == HOME)
    sandbox.restart_code_context(default)
    assert sandbox.run_code("x").error.name == "NameError"


def test_pausing_stops_everything_and_keeps_it(sandbox: Sandbox) -> None:
    sandbox.run_code("x = 41")
    counting = "i=$((i+1)); echo $i > /tmp/new; mv /tmp/new /tmp/count; sleep 0.01"
    counter = f"i=0; while true; do {counting}; done"
    sandbox.commands.run(counter, background=True)
    wait_until(lambda: sandbox.files.exists("/tmp/count"))
    sandbox.pause()
    sandbox.connect()
    assert sandbox.run_code("x + 1").text == "42"
    before = int(sandbox.files.read("/tmp/count"))
    wait_until(lambda: int(sandbox.files.read("/tmp/count")) > before)


def test_files_outlive_a_pause_without_memory(sandbox: Sandbox) -> None:
    sandbox.run_code(
        "x = 1; open('kept', 'w').write('a' * 100_000); open('/tmp/t', 'w').write('t')"
    )
    sandbox.pause(keep_memory=False)
    sandbox.connect()
    assert sandbox.files.read("/home/user/kept") == "a" * 100_000
    assert sandbox.files.read("/tmp/t") == "t"
    assert sandbox.run_code("x").error.name == "NameError"


def test_what_needs_a_copy_of_memory_is_refused_by_name(sandbox: Sandbox) -> None:
    with pytest.raises((InvalidArgumentException, SandboxException), match="cannot be saved"):
        sandbox.create_snapshot()
    assert sandbox.run_code("1").text == "1"


def test_a_runtime_that_crashes_is_told(
    runtime: str, server: SandboxServer, sandbox: Sandbox
) -> None:
    sandbox.run_code("1")
    (group,) = [group for group in server.cgroups() if "/memory/" in str(group)][:1]
    for pid in (group / "cgroup.procs").read_text().split():
        with contextlib.suppress(ProcessLookupError):  # one may end by the end of another
            os.kill(int(pid), signal.SIGKILL)
    wait_until(lambda: not sandbox.is_running())
    named = f"sandbox_id={sandbox.sandbox_id}"
    wait_until(lambda: any(named in line for line in server.log_lines))
    (ended,) = [line for line in server.log_lines if named in line]
    assert f"why='{KNOWN[runtime].program} " in ended


def test_a_kill_leaves_nothing(runtime: str, server: SandboxServer) -> None:
    before = (server.descendants(), server.open_fds(), server.cgroups())
    sandbox = Sandbox.create(TEMPLATES[runtime], **server.sdk)
    sandbox.run_code("import subprocess; subprocess.Popen(['setsid', 'sleep', '300'])")
    sandbox.kill()
    wait_until(lambda: (server.descendants(), server.open_fds(), server.cgroups()) == before)


def test_a_killed_server_leaves_nothing() -> None:
    needs_runtime("gvisor")
    server = start_server()
    Sandbox.create(TEMPLATES["gvisor"], **server.sdk).run_code("1")
    left = server.descendants()
    assert any("runsc" in name for name in map(_program, left))
    os.kill(server.process.pid, signal.SIGKILL)
    wait_until(lambda: not any(map(_program, left)))
    server.stop()


def _program(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def test_volumes_are_there_from_the_start(runtime: str, server: SandboxServer) -> None:
    volume = Volume.create(f"shared-{runtime}", **server.sdk)
    given = {"volume_mounts": {"/mnt/shared": volume}, **server.sdk}
    with Sandbox.create(TEMPLATES[runtime], **given) as first:
        first.commands.run("echo kept > /mnt/shared/a")
        with Sandbox.create(TEMPLATES[runtime], **given) as second:
            assert second.files.read("/mnt/shared/a") == "kept\n"
