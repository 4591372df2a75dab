"""Live forks: sandboxes that start with the variables of another one's Python kernels."""

from collections.abc import Iterator

import pytest
from e2b_code_interpreter import Sandbox

from support.sandbox_server import SandboxServer, wait_until

ORIGIN = """
import os, random, numpy as np
x = 41
data = np.arange(1_000_000)
generator = np.random.default_rng(7)
os.makedirs('/home/user/project', exist_ok=True); os.chdir('/home/user/project')
file = open('/home/user/project/notes', 'w+'); file.write('hello'); file.flush()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    server = SandboxServer().start()
    if not server.has_cgroups:
        server.stop()
        pytest.skip("needs cgroups, with which forked kernels are checked: run as root")
    yield server
    server.stop()


@pytest.fixture
def origin(server: SandboxServer) -> Iterator[Sandbox]:
    sandbox = Sandbox.create(**server.sdk)
    assert sandbox.run_code(ORIGIN).error is None
    yield sandbox
    sandbox.kill()


def _fork(sandbox: Sandbox, count: int = 1) -> list[Sandbox]:
    forks = sandbox.fork(count=count)
    assert all(isinstance(fork, Sandbox) for fork in forks), forks
    return forks  # type: ignore[return-value]


def _value(sandbox: Sandbox, code: str) -> str | None:
    done = sandbox.run_code(code)
    assert done.error is None, (done.error, done.logs)
    return done.text


def test_a_fork_has_the_variables_and_goes_its_own_way(origin: Sandbox) -> None:
    (fork,) = _fork(origin)
    assert _value(fork, "x, int(data.sum()), os.getcwd()") == (
        "(41, 499999500000, '/home/user/project')"
    )
    _value(fork, "x = 1; data[0] = 5; file.write(' fork'); file.flush()")
    assert _value(origin, "x, int(data[0])") == "(41, 0)"
    assert origin.files.read("/home/user/project/notes") == "hello"
    assert fork.files.read("/home/user/project/notes") == "hello fork"
    assert fork.commands.run("hostname; ls project").exit_code == 0
    fork.kill()


def test_a_context_that_was_removed_is_not_missed_by_forks(
    server: SandboxServer, origin: Sandbox
) -> None:
    before = server.open_fds()
    for _ in range(3):
        context = origin.create_code_context(language="python")
        origin.run_code("y = 1", context=context)
        origin.remove_code_context(context)
    (fork,) = _fork(origin)
    assert _value(fork, "x") == "41"
    fork.kill()
    wait_until(lambda: server.open_fds() <= before)


def test_forks_draw_other_numbers(origin: Sandbox) -> None:
    draw = "random.random(), np.random.rand(), generator.random()"
    sandboxes = [origin, *_fork(origin, 3)]
    drawn = [_value(sandbox, draw) for sandbox in sandboxes]
    assert len(set(drawn)) == 4
    for fork in sandboxes[1:]:
        fork.kill()


def test_a_fork_outlives_its_origin_and_can_be_forked(server: SandboxServer) -> None:
    origin = Sandbox.create(**server.sdk)
    assert origin.run_code(ORIGIN).error is None
    (fork,) = _fork(origin)
    origin.kill()
    assert _value(fork, "x + 1") == "42"
    (second,) = _fork(fork)
    fork.kill()
    assert _value(second, "x + 2") == "43"
    second.restart_code_context(second.list_code_contexts()[0].id)
    second.kill()
    wait_until(lambda: not [path for path in server.cgroups() if origin.sandbox_id in path.name])


def test_an_origin_starts_again_from_its_files_while_its_fork_lives(server: SandboxServer) -> None:
    origin = Sandbox.create(**server.sdk)
    assert origin.run_code(ORIGIN).error is None
    (fork,) = _fork(origin)
    origin.pause(keep_memory=False)
    origin.connect()
    assert origin.files.read("/home/user/project/notes") == "hello"
    assert _value(fork, "x") == "41"
    fork.kill()  # and with it what was left of the origin's first machine
    wait_until(lambda: len([p for p in server.cgroups() if origin.sandbox_id in p.name]) <= 6)
    assert origin.files.read("/home/user/project/notes") == "hello"
    assert _value(origin, "1 + 1") == "2"
    origin.kill()
    wait_until(lambda: not [path for path in server.cgroups() if origin.sandbox_id in path.name])


def test_nothing_is_left_of_a_family(server: SandboxServer) -> None:
    before = len(server.descendants())
    origin = Sandbox.create(**server.sdk)
    forks = _fork(origin, 2)
    origin.kill()
    for fork in forks:
        fork.kill()
    wait_until(lambda: len(server.descendants()) <= before)
    assert not [path for path in server.cgroups() if origin.sandbox_id in path.name]


def test_an_origin_goes_away_and_comes_back_beside_its_fork(server: SandboxServer) -> None:
    """Its first machine stays for the fork, while it runs on another one."""
    with Sandbox.create(**server.sdk) as origin:
        origin.run_code("number = 1")
        (fork,) = _fork(origin)
        origin.pause(keep_memory=False)
        origin.connect()
        assert origin.run_code("2 + 2").text == "4"
        assert fork.run_code("number").text == "1"
        fork.kill()
        assert origin.run_code("3 + 3").text == "6"


def test_a_fork_says_what_was_not_carried(origin: Sandbox) -> None:
    _value(
        origin, "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()"
    )
    (fork,) = _fork(origin)
    done = fork.run_code("x")
    assert done.text == "41"
    assert "threads:" in "".join(done.logs.stderr)
    fork.kill()


def test_an_interrupt_and_a_death_concern_the_fork_alone(origin: Sandbox) -> None:
    (fork,) = _fork(origin)
    fork.run_code("os._exit(3)")
    assert _value(fork, "1 + 1") == "2"
    assert _value(origin, "x") == "41"
    fork.kill()


@pytest.mark.threat("T-CALL-2")
def test_a_kernel_enters_no_namespace_by_itself(origin: Sandbox) -> None:
    code = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open('/proc/self/ns/user', os.O_RDONLY)
libc.setns(fd, 0), ctypes.get_errno()
"""
    assert _value(origin, code) == "(-1, 1)"
    (fork,) = _fork(origin)
    assert _value(fork, code) == "(-1, 1)"
    held = "{line.split()[1] for line in open('/proc/self/status') if line.startswith('Cap')}"
    assert _value(fork, held) == str({"0" * 16})
    fork.kill()
