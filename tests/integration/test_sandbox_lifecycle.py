"""Sandboxes through the published SDK, and what is left of them: nothing."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2b import SandboxQuery
from e2b.exceptions import NotFoundException, SandboxException
from e2b_code_interpreter import Sandbox

from support.sandbox_server import SandboxServer, wait_until


@pytest.fixture
def server(sandbox_server: SandboxServer) -> SandboxServer:
    return sandbox_server


@pytest.fixture
def sandbox(server: SandboxServer) -> Iterator[Sandbox]:
    sandbox = Sandbox.create(**server.sdk)
    yield sandbox
    sandbox.kill()


def test_runs_code_and_keeps_state(sandbox: Sandbox) -> None:
    sandbox.run_code("x = 41")
    assert sandbox.run_code("x + 1").text == "42"


def test_info_tells_what_was_asked(server: SandboxServer) -> None:
    sandbox = Sandbox.create("data_analysis", timeout=120, metadata={"a b": "ñ&="}, **server.sdk)
    try:
        info = sandbox.get_info()
        assert info.template_id == "data_analysis"
        assert info.memory_mb == 1024
        assert info.metadata == {"a b": "ñ&="}
        assert 110 < (info.end_at - info.started_at).total_seconds() <= 120
    finally:
        sandbox.kill()


def test_list_filters_by_metadata_and_pages(server: SandboxServer) -> None:
    made = [
        Sandbox.create("base", metadata={"k": "á b", "n": str(n)}, **server.sdk) for n in (1, 2, 3)
    ]
    try:
        pages = Sandbox.list(query=SandboxQuery(metadata={"k": "á b"}), limit=2, **server.sdk)
        first, second = pages.next_items(), pages.next_items()
        assert [len(first), len(second)] == [2, 1]
        newest_first = [sandbox.sandbox_id for sandbox in reversed(made)]
        assert [info.sandbox_id for info in first + second] == newest_first
        assert not pages.has_next
    finally:
        for sandbox in made:
            sandbox.kill()


def test_timeout_ends_it_and_its_machine(server: SandboxServer) -> None:
    sandbox = Sandbox.create("base", **server.sdk)
    sandbox.commands.run("sleep 300", background=True)
    sandbox.set_timeout(1)
    assert sandbox.is_running()
    wait_until(lambda: not sandbox.is_running())
    with pytest.raises(NotFoundException):
        sandbox.get_info()


def test_connect_only_lengthens_the_life(sandbox: Sandbox, server: SandboxServer) -> None:
    sandbox.set_timeout(200)
    Sandbox.connect(sandbox.sandbox_id, timeout=10, **server.sdk)
    info = sandbox.get_info()
    assert (info.end_at - info.started_at).total_seconds() > 150


def test_kill_twice_says_so(server: SandboxServer) -> None:
    sandbox = Sandbox.create("base", **server.sdk)
    assert sandbox.kill() is True
    assert sandbox.kill() is False


@pytest.mark.parametrize("timeout", [0, 7 * 24 * 3600])
def test_a_timeout_out_of_range_is_refused(server: SandboxServer, timeout: int) -> None:
    with pytest.raises(SandboxException, match="timeout"):
        Sandbox.create("base", timeout=timeout, **server.sdk)


def test_a_life_without_limit_where_the_server_is_told_so() -> None:
    server = SandboxServer(("--max-timeout", "0", "--pool", "0")).start()
    try:
        century_s = 100 * 365 * 24 * 3600
        sandbox = Sandbox.create("base", timeout=century_s, **server.sdk)
        sandbox.set_timeout(century_s - 1)
        sandbox.pause()
        sandbox.connect(timeout=century_s)
        info = sandbox.get_info()
        assert (info.end_at - info.started_at).total_seconds() == pytest.approx(century_s, abs=9)
        assert sandbox.commands.run("echo lives").stdout == "lives\n"
        with pytest.raises(SandboxException, match="timeout"):
            sandbox.set_timeout(century_s + 1)
    finally:
        assert server.stop() == 0


def test_an_unknown_template_is_named_with_the_known_ones(server: SandboxServer) -> None:
    with pytest.raises(SandboxException, match=r"404.*'nosuch'.*code-interpreter-v1"):
        Sandbox.create("nosuch", **server.sdk)


def test_nothing_is_left_after_a_kill(server: SandboxServer) -> None:
    Sandbox.create("base", **server.sdk).kill()  # from now on, this template's pool is filled
    time.sleep(1)
    before = _traces(server)
    for _ in range(5):
        sandbox = Sandbox.create("base", **server.sdk)
        sandbox.commands.run("setsid sleep 1000 & setsid sleep 1000 & disown -a", background=True)
        sandbox.files.write("left.txt", "x" * 100_000)
        sandbox.kill()
    wait_until(lambda: _traces(server) == before)


def _traces(server: SandboxServer) -> tuple[int, int, int, int]:
    """Count processes, descriptors, sockets and cgroups of the server."""
    sockets = len(list(server.run_folder().glob("*.sock")))
    return len(server.descendants()), _steady_fds(server), sockets, len(server.cgroups())


def _steady_fds(server: SandboxServer) -> int:
    """Count descriptors but those of clients' kept-alive connections."""
    folder = Path(f"/proc/{server.process.pid}/fd")
    names = []
    for link in folder.iterdir():
        try:
            names.append(str(link.readlink()))
        except FileNotFoundError:
            continue
    return sum(1 for name in names if not name.startswith("socket:"))


def test_programs_heed_signals_that_the_server_was_started_to_ignore(server: SandboxServer) -> None:
    in_background = SandboxServer(wrapper=("sh", "-c", 'trap "" HUP INT QUIT; exec "$@"', "sh"))
    in_background.start()
    try:
        sandbox = Sandbox.create(**in_background.sdk)
        interrupted = sandbox.run_code("kill -INT $$; echo survived", language="bash")
        ignored = "grep SigIgn /proc/self/status"
        of_program = sandbox.commands.run(ignored).stdout.split()[1]
        of_shell = sandbox.run_code(ignored, language="bash").logs.stdout[0].split()[1]
    finally:
        in_background.stop()

    heeded = sum(1 << number - 1 for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT))
    assert int(of_program, 16) & heeded == 0
    assert int(of_shell, 16) & heeded == 0
    assert "survived" not in "".join(interrupted.logs.stdout)
