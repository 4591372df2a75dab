"""Programs that take all they can: each meets its limit, and nobody else notices."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from e2b.exceptions import NotEnoughSpaceException, SandboxException, TimeoutException
from e2b_code_interpreter import Sandbox

from support import data_plane
from support.sandbox_server import SandboxServer, wait_until

MIB = 1024 * 1024
UNINTERRUPTIBLE = """
import time
while True:
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        pass
"""
BUSY_CALLBACK = """
import time
shell = get_ipython()
def busy():
    shell.events.unregister('pre_execute', busy)
    print('on', flush=True)
    time.sleep(60)
shell.events.register('pre_execute', busy)
"""
FORK_BOMB = "(bomb() { bomb | bomb & }; bomb; sleep 60) >/dev/null 2>&1"


@pytest.fixture
def server(sandbox_server: SandboxServer) -> Iterator[SandboxServer]:
    yield sandbox_server
    assert httpx.get(f"{sandbox_server.url}/health").status_code == 200


@pytest.fixture
def sandbox(server: SandboxServer) -> Iterator[Sandbox]:
    sandbox = Sandbox.create("quick_script", timeout=120, **server.sdk)
    yield sandbox
    sandbox.kill()


def test_an_unknown_language_is_named_with_the_known_ones(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxException, match=r"400.*'cobol'.*python"):
        sandbox.run_code("1", language="cobol")


def test_a_hundred_megabytes_of_code_are_refused(server: SandboxServer, sandbox: Sandbox) -> None:
    before = server.memory_bytes()
    reply = httpx.post(
        f"{server.url}/execute",
        headers=data_plane.headers(sandbox),
        json={"code": "#" * (100 * MIB)},
        timeout=60,
    )
    assert reply.status_code == 413
    assert "larger than" in reply.text
    assert server.memory_bytes() - before < 64 * MIB
    assert sandbox.run_code("1 + 1").text == "2"


def test_code_without_end_is_interrupted_and_its_state_kept(sandbox: Sandbox) -> None:
    sandbox.run_code("kept = 7")
    with pytest.raises(TimeoutException):
        sandbox.run_code("while True: pass", timeout=1)
    assert sandbox.run_code("kept").text == "7"


def test_a_client_that_leaves_interrupts_its_code(server: SandboxServer, sandbox: Sandbox) -> None:
    sandbox.run_code("kept = 7")
    with data_plane.streaming(
        server, sandbox, "print('on', flush=True)\nwhile True: pass"
    ) as reply:
        assert any('"stdout"' in line for line in reply.iter_lines())
    assert sandbox.run_code("kept").text == "7"


def test_a_client_that_leaves_at_once_interrupts_its_code(
    server: SandboxServer, sandbox: Sandbox
) -> None:
    """The interrupt can come before the code has begun; it must not be lost."""
    sandbox.run_code("kept = 7")
    for _ in range(40):
        with data_plane.streaming(server, sandbox, "while True: pass"):
            pass
        with data_plane.streaming(server, sandbox, "while True: pass") as reply:
            next(reply.iter_raw())
        assert sandbox.run_code("kept").text == "7"


@pytest.mark.parametrize(
    ("before", "code"),
    [
        # asyncio only cancels the cell, which never awaits again.
        ("", "import asyncio\nawait asyncio.sleep(0)\nprint('on', flush=True)\nwhile True: pass"),
        # IPython takes the interrupt for a failure of the callback.
        (BUSY_CALLBACK, "while True: pass"),
    ],
)
def test_code_that_an_interrupt_does_not_reach_is_interrupted_again(
    server: SandboxServer, sandbox: Sandbox, before: str, code: str
) -> None:
    sandbox.run_code(f"kept = 7\n{before}")
    with data_plane.streaming(server, sandbox, code) as reply:
        assert any('"stdout"' in line for line in reply.iter_lines())
    assert sandbox.run_code("kept").text == "7"


def test_printing_without_end_fills_no_memory(server: SandboxServer, sandbox: Sandbox) -> None:
    sandbox.run_code("kept = 7")
    before = server.memory_bytes()
    with data_plane.streaming(server, sandbox, "while True: print('x' * 1000)") as reply:
        next(reply.iter_raw())
        for _ in range(20):  # a client that does not read on holds the program back
            time.sleep(0.1)
            assert server.memory_bytes() - before < 64 * MIB
    assert sandbox.run_code("kept").text == "7"


@pytest.mark.parametrize(
    "code",
    [
        "import os; os._exit(3)",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import ctypes; ctypes.string_at(0)",
    ],
)
def test_a_kernel_that_dies_is_replaced(sandbox: Sandbox, code: str) -> None:
    sandbox.run_code("lost = 7")
    execution = sandbox.run_code(code)
    assert execution.error is not None
    assert execution.error.name == "KernelDied"
    assert "variables are lost" in execution.error.value
    again = sandbox.run_code("lost")
    assert again.error is not None
    assert again.error.name == "NameError"


def test_a_kernel_that_dies_is_replaced_once_for_all_who_wait(sandbox: Sandbox) -> None:
    sleepy_end = "import os, time; time.sleep(1); os._exit(0)"
    with ThreadPoolExecutor(4) as clients:
        dying = clients.submit(sandbox.run_code, sleepy_end)
        time.sleep(0.5)
        waiting = [clients.submit(sandbox.run_code, f"kept_{n} = {n}") for n in range(3)]
        assert dying.result().error is not None
        assert [run.result().error for run in waiting] == [None, None, None]
    assert sandbox.run_code("kept_0 + kept_1 + kept_2").text == "3"


def test_an_unknown_context_is_named(server: SandboxServer, sandbox: Sandbox) -> None:
    reply = httpx.post(
        f"{server.url}/execute",
        headers=data_plane.headers(sandbox),
        json={"code": "1", "context_id": "nosuch"},
    )
    assert (reply.status_code, reply.text) == (404, "Context nosuch not found")


def test_variables_beyond_their_limit_are_refused(server: SandboxServer) -> None:
    with pytest.raises(SandboxException, match=r"400.*envVars.*limit"):
        Sandbox.create(envs={"LARGE": "ñ" * 20_000}, **server.sdk)
    sandbox = Sandbox.create(envs={"LARGE": "ñ" * 9_000}, **server.sdk)
    try:
        assert sandbox.run_code("import os; len(os.environ['LARGE'])").text == "9000"
        context = sandbox.create_code_context()
        code = "import os; len(os.environ['LARGE'])"
        assert sandbox.run_code(code, context=context).text == "9000"
    finally:
        sandbox.kill()


@pytest.mark.parametrize("variables", [{"A=B": "1"}, {"": "1"}, {"A\0": "1"}, {"A": "1\0"}])
def test_impossible_variables_are_refused(
    server: SandboxServer, sandbox: Sandbox, variables: dict[str, str]
) -> None:
    sandbox.run_code("kept = 7")
    with pytest.raises(SandboxException, match=r"400.*env_vars"):
        sandbox.run_code("1", envs=variables)
    with pytest.raises(SandboxException, match=r"400.*envVars"):
        Sandbox.create(envs=variables, **server.sdk)
    assert sandbox.run_code("kept").text == "7"


def test_a_large_body_is_refused_by_the_control_plane(server: SandboxServer) -> None:
    reply = httpx.post(
        f"{server.url}/v2/sandboxes",
        headers={"X-API-KEY": server.key},
        content=b" " * (17 * MIB),
        timeout=60,
    )
    assert reply.status_code == 413
    assert "larger than" in reply.json()["message"]


def test_a_file_beyond_the_disk_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(NotEnoughSpaceException):
        sandbox.files.write("big", b"x" * (200 * MIB))
    sandbox.files.remove("big")
    assert sandbox.run_code("1 + 1").text == "2"


def test_calls_that_are_left_leave_nothing(server: SandboxServer, sandbox: Sandbox) -> None:
    sandbox.run_code("1")
    wait_until(lambda: _quiet(server))
    before = len(server.descendants()), server.open_fds()
    for _ in range(20):
        with data_plane.streaming(server, sandbox, "while True: print('x')") as reply:
            next(reply.iter_raw())
    assert sandbox.run_code("1 + 1").text == "2"
    wait_until(lambda: (len(server.descendants()), server.open_fds()) <= before)


def _quiet(server: SandboxServer) -> bool:
    """Whether the pool is filled: nothing has changed for a while."""
    first = len(server.descendants()), server.open_fds()
    time.sleep(0.5)
    return first == (len(server.descendants()), server.open_fds())


def test_a_context_in_no_directory_says_so(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxException, match="nosuch"):
        sandbox.create_code_context(cwd="/nosuch")
    with pytest.raises(SandboxException):
        sandbox.create_code_context(cwd="/" + "x" * 200_000)
    context = sandbox.create_code_context(cwd="/tmp")
    assert sandbox.run_code("import os; os.getcwd()", context=context).text == "/tmp"


def test_exit_does_not_end_the_kernel(sandbox: Sandbox) -> None:
    sandbox.run_code("kept = 7")
    sandbox.run_code("import sys; sys.exit(3)")
    sandbox.run_code("exit()")
    assert sandbox.run_code("kept").text == "7"


def test_code_that_heeds_no_interrupt_loses_its_kernel(sandbox: Sandbox) -> None:
    sandbox.run_code("lost = 7")
    with pytest.raises(TimeoutException):
        sandbox.run_code(UNINTERRUPTIBLE, timeout=1)
    again = sandbox.run_code("lost", timeout=60)
    assert "all variables are lost" in "".join(again.logs.stderr)
    assert again.error is not None
    assert again.error.name == "NameError"
    assert sandbox.run_code("1 + 1").logs.stderr == []


def test_c_code_without_end_loses_its_kernel(sandbox: Sandbox) -> None:
    with pytest.raises(TimeoutException):
        sandbox.run_code("import re; re.match('(a|a)*b', 'a' * 200)", timeout=1)
    assert sandbox.run_code("1 + 1", timeout=60).text == "2"


def test_a_fork_bomb_stays_in_its_sandbox(server: SandboxServer, sandbox: Sandbox) -> None:
    other = Sandbox.create("quick_script", **server.sdk)
    try:
        before = len(server.descendants())
        sandbox.commands.run(FORK_BOMB, background=True)
        wait_until(lambda: len(server.descendants()) > before + 100)
        for _ in range(10):
            time.sleep(0.1)
            assert len(server.descendants()) < before + 300
            assert other.run_code("1 + 1").text == "2"
        assert sandbox.kill() is True
        wait_until(lambda: len(server.descendants()) < before + 20)  # the pool may have grown
    finally:
        other.kill()


def test_filling_memory_is_told_as_such(sandbox: Sandbox) -> None:
    execution = sandbox.run_code("piles = [bytearray(16 << 20) for _ in range(1000)]")
    assert execution.error is not None
    assert execution.error.name in ("OutOfMemory", "MemoryError")
    if execution.error.name == "OutOfMemory":
        assert "256 MiB" in execution.error.value
    assert sandbox.run_code("1 + 1").text == "2"


def test_filling_the_disk_is_told_as_such(sandbox: Sandbox) -> None:
    fill = """
with open("big", "wb", buffering=0) as file:
    while True:
        file.write(bytes(1 << 20))
"""
    execution = sandbox.run_code(fill)
    assert execution.error is not None
    assert execution.error.name == "OSError"
    assert "No space left" in execution.error.value
    assert sandbox.run_code("1 + 1").text == "2"
    assert sandbox.files.get_info("big").size < 200 * MIB
    sandbox.files.remove("big")
    sandbox.files.write("small", "x" * MIB)


def test_two_clients_of_one_sandbox_take_turns(server: SandboxServer, sandbox: Sandbox) -> None:
    second = Sandbox.connect(sandbox.sandbox_id, **server.sdk)
    sandbox.run_code("n = 0")
    add = "import time\nfor _ in range(20):\n    m = n; time.sleep(0.001); n = m + 1"
    with ThreadPoolExecutor(2) as clients:
        runs = [clients.submit(client.run_code, add) for client in (sandbox, second) * 3]
        assert all(run.result().error is None for run in runs)
    assert sandbox.run_code("n").text == "120"


def test_hogs_of_the_processor_leave_room_to_kill_them(sandbox: Sandbox) -> None:
    spin = "for i in 1 2 3 4 5 6 7 8; do (while :; do :; done) & done; wait"
    hog = sandbox.commands.run(spin, background=True)
    assert sandbox.commands.run("echo alive").stdout == "alive\n"
    assert hog.kill() is True
    assert "while" not in sandbox.commands.run("ps -eo args || cat /proc/*/cmdline").stdout


def test_a_label_lowers_the_memory_of_one_sandbox(server: SandboxServer) -> None:
    """Also where a ready one of the pool is given away, and after the next one is not labelled."""
    less = Sandbox.create(
        "data_analysis", timeout=120, metadata={"capibara6.memoryMB": "200"}, **server.sdk
    )
    more = Sandbox.create("data_analysis", timeout=120, **server.sdk)
    try:
        assert less.get_info().memory_mb == (200 if server.has_cgroups else 1024)
        assert more.get_info().memory_mb == 1024
        taking = "taken = bytearray(400 * 1024 * 1024)\nlen(taken)"
        assert more.run_code(taking).text == str(400 * MIB)
        execution = less.run_code(taking)
        if server.has_cgroups:
            assert execution.error
            assert execution.error.name == "OutOfMemory"
            assert "200 MiB" in execution.error.value
        else:
            assert execution.text == str(400 * MIB)
    finally:
        less.kill()
        more.kill()


@pytest.mark.parametrize(
    ("label", "problem"), [("many", "number of MiB"), ("-5", "number of MiB"), ("8", "at least 32")]
)
def test_a_label_that_says_no_memory_is_refused(
    server: SandboxServer, label: str, problem: str
) -> None:
    with pytest.raises(SandboxException, match=problem):
        Sandbox.create("base", metadata={"capibara6.memoryMB": label}, **server.sdk)


def test_a_label_beyond_the_template_gets_the_templates_memory(server: SandboxServer) -> None:
    sandbox = Sandbox.create(
        "base", timeout=60, metadata={"capibara6.memoryMB": "999999"}, **server.sdk
    )
    try:
        assert sandbox.get_info().memory_mb == 512
    finally:
        sandbox.kill()
