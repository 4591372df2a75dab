"""Programs through envd, driven by the published SDK."""

import os
import pwd
import threading
import time

import pytest
from e2b import (
    AuthenticationException,
    CommandExitException,
    InvalidArgumentException,
    NotFoundException,
    SandboxException,
    TimeoutException,
)
from e2b.sandbox.commands.command_handle import PtySize

from support.envd_server import USER
from support.sandbox_server import wait_until


@pytest.fixture(scope="module")
def sandbox(envd):
    return envd.client()


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as status:
        return status.read().rpartition(")")[2].split()[0] != "Z"


def test_output_and_exit_code_come_back(sandbox):
    result = sandbox.commands.run("echo out; echo err >&2")
    assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 0)
    assert result.error is None


def test_a_failing_command_says_how_it_failed(sandbox):
    with pytest.raises(CommandExitException) as failure:
        sandbox.commands.run("echo before; exit 7")
    assert failure.value.exit_code == 7
    assert failure.value.stdout == "before\n"
    assert failure.value.error == "exit status 7"


def test_output_arrives_while_the_command_runs(sandbox, tmp_path):
    gate = tmp_path / "gate"

    def open_gate(_):
        gate.touch()

    wait = f"until [ -e {gate} ]; do sleep 0.05; done"
    result = sandbox.commands.run(f"echo first; {wait}; echo second", on_stdout=open_gate)
    assert result.stdout == "first\nsecond\n"


def test_large_output_arrives_whole(sandbox):
    result = sandbox.commands.run("head -c 5000000 /dev/zero | tr '\\0' x; echo end >&2")
    assert result.stdout == "x" * 5_000_000
    assert result.stderr == "end\n"


def test_output_that_is_not_utf8_is_replaced(sandbox):
    result = sandbox.commands.run(f'printf "{"a" * 8191}\\xe2"')
    assert result.stdout == "a" * 8191 + "\ufffd"


def test_the_environment_has_the_users_the_sandboxs_and_the_calls_variables(sandbox):
    result = sandbox.commands.run('echo "$HOME|$USER|$LOGNAME|$SHARED|$OWN"', envs={"OWN": "mine"})
    home = pwd.getpwuid(os.getuid()).pw_dir
    assert result.stdout == f"{home}|{USER}|{USER}|by all|mine\n"
    assert sandbox.commands.run('echo "$OWN"').stdout == "\n"
    assert sandbox.commands.run("echo $SHARED", envs={"SHARED": "x"}).stdout == "x\n"


def test_the_working_directory_is_the_home_unless_named(sandbox, tmp_path):
    assert sandbox.commands.run("pwd").stdout.strip() == os.path.realpath(
        pwd.getpwuid(os.getuid()).pw_dir
    )
    assert sandbox.commands.run("pwd", cwd=str(tmp_path)).stdout == f"{tmp_path}\n"


def test_a_missing_working_directory_is_named(sandbox):
    with pytest.raises(InvalidArgumentException, match="cwd '/no/such/place' does not exist"):
        sandbox.commands.run("pwd", cwd="/no/such/place")


def test_an_unknown_user_is_refused(sandbox):
    with pytest.raises(AuthenticationException, match="invalid username: 'nobody-here'"):
        sandbox.commands.run("true", user="nobody-here")


def test_without_stdin_a_reader_gets_its_end_at_once(sandbox):
    assert sandbox.commands.run("cat; echo end").stdout == "end\n"


def test_stdin_is_delivered_in_order_until_closed(sandbox):
    command = sandbox.commands.run("cat", background=True, stdin=True)
    command.send_stdin("one ")
    command.send_stdin(b"two ")
    sandbox.commands.stream_input(command.pid, ["three ", b"four"])
    command.close_stdin()
    assert command.wait().stdout == "one two three four"


def test_streamed_input_for_nobody_is_not_found(sandbox):
    with pytest.raises(NotFoundException):
        sandbox.commands.stream_input(999999, [])


def test_stdin_that_was_not_asked_for_is_refused(sandbox):
    command = sandbox.commands.run("sleep 30", background=True)
    with pytest.raises(SandboxException, match="stdin not enabled or closed"):
        command.send_stdin("x")
    command.kill()


def test_kill_reaches_all_that_the_command_started(sandbox):
    command = sandbox.commands.run(
        "sleep 60 & setsid sleep 0 & echo $!; wait; wait", background=True
    )
    command.kill()
    assert not os.path.exists(f"/proc/{command.pid}")
    with pytest.raises(CommandExitException) as failure:
        command.wait()
    assert failure.value.exit_code == -1
    assert failure.value.error == "signal: killed"
    assert not _alive(command.pid)
    assert command.pid not in [process.pid for process in sandbox.commands.list()]


def test_killing_nobody_says_so(sandbox):
    assert sandbox.commands.kill(999999) is False


def test_running_commands_are_listed(sandbox):
    command = sandbox.commands.run("sleep 60", background=True, envs={"A": "b"}, cwd="/")
    listed = {process.pid: process for process in sandbox.commands.list()}[command.pid]
    assert (listed.cmd, listed.args) == ("/bin/bash", ["-l", "-c", "sleep 60"])
    assert (listed.envs, listed.cwd, listed.tag) == ({"A": "b"}, "/", None)
    command.kill()


def test_the_timeout_kills_the_command(sandbox):
    command = sandbox.commands.run("sleep 60 & sleep 60", background=True, timeout=1)
    with pytest.raises(TimeoutException):
        command.wait()
    wait_until(lambda: not _alive(command.pid))


def test_a_disconnect_does_not_end_the_command(sandbox, tmp_path):
    gate = tmp_path / "gate"
    wait = f"until [ -e {gate} ]; do sleep 0.05; done"
    command = sandbox.commands.run(f"{wait}; echo heard; exit 3", background=True)
    command.disconnect()
    again = sandbox.commands.connect(command.pid)
    gate.touch()
    with pytest.raises(CommandExitException) as failure:
        again.wait()
    assert (failure.value.stdout, failure.value.exit_code) == ("heard\n", 3)


def test_output_that_nobody_heard_is_kept_for_the_next(sandbox, tmp_path):
    gate, done = tmp_path / "gate", tmp_path / "done"
    wait = f"until [ -e {gate} ]; do sleep 0.05; done"
    command = sandbox.commands.run(f"{wait}; echo missed; touch {done}; sleep 60", background=True)
    command.disconnect()
    time.sleep(0.3)  # the server notices a closed connection a little later
    gate.touch()
    wait_until(done.exists)
    again = sandbox.commands.connect(command.pid)
    assert next(iter(again)) == ("missed\n", None, None)
    again.kill()


def test_a_late_connect_still_learns_how_it_ended(sandbox):
    command = sandbox.commands.run("echo before; exit 5", background=True)
    with pytest.raises(CommandExitException):
        command.wait()
    with pytest.raises(CommandExitException) as failure:
        sandbox.commands.connect(command.pid).wait()
    assert (failure.value.stdout, failure.value.exit_code) == ("before\n", 5)


def test_connecting_to_nobody_is_not_found(sandbox):
    with pytest.raises(NotFoundException):
        sandbox.commands.connect(999999)


def test_several_listeners_hear_the_same(sandbox):
    command = sandbox.commands.run("read; echo answer", background=True, stdin=True)
    others = [sandbox.commands.connect(command.pid) for _ in range(3)]
    command.send_stdin("\n")
    assert [handle.wait().stdout for handle in [command, *others]] == ["answer\n"] * 4


def test_a_listener_that_does_not_read_holds_the_command_back(sandbox, tmp_path):
    counter = tmp_path / "written"
    script = f"for i in $(seq 3000); do head -c 100000 /dev/zero; echo $i > {counter}; done"
    command = sandbox.commands.run(script, background=True, timeout=60)
    wait_until(counter.exists)
    seen = -1
    while seen != (seen := int(counter.read_text() or 0)):
        time.sleep(1)
    assert seen < 1000
    command.kill()


def test_commands_run_side_by_side(sandbox, tmp_path):
    def run(index):
        # Each waits for all: it only ends if they run at the same time.
        (tmp_path / f"started-{index}").touch()
        sandbox.commands.run(f"until [ $(ls {tmp_path} | wc -l) = 8 ]; do sleep 0.05; done")

    threads = [threading.Thread(target=run, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads)


def test_a_terminal_is_a_terminal(sandbox):
    heard = bytearray()
    terminal = sandbox.pty.create(PtySize(rows=24, cols=80), envs={"ABC": "123"}, cwd="/")
    sandbox.pty.send_stdin(terminal.pid, b"stty size; tty; echo value=$ABC; pwd; exit 3\n")
    with pytest.raises(CommandExitException) as failure:
        terminal.wait(on_pty=heard.extend)
    assert failure.value.exit_code == 3
    assert b"24 80" in heard
    assert b"/dev/pts/" in heard
    assert b"value=123" in heard


def test_a_terminal_changes_its_size(sandbox):
    heard = bytearray()
    terminal = sandbox.pty.create(PtySize(rows=24, cols=80))
    sandbox.pty.resize(terminal.pid, PtySize(rows=30, cols=100))
    sandbox.pty.send_stdin(terminal.pid, b"stty size; exit\n")
    terminal.wait(on_pty=heard.extend)
    assert b"30 100" in heard
    with pytest.raises(SandboxException):
        sandbox.pty.resize(terminal.pid, PtySize(rows=1, cols=1))


def test_a_terminal_has_job_control_and_interrupts(sandbox):
    terminal = sandbox.pty.create(PtySize(rows=24, cols=80))
    heard = bytearray()
    sandbox.pty.send_stdin(terminal.pid, b"sleep 60\n")
    wait_until(lambda: b"sleep" in _children(terminal.pid))
    sandbox.pty.send_stdin(terminal.pid, b"\x03")
    sandbox.pty.send_stdin(terminal.pid, b"echo code=$?; exit 0\n")
    terminal.wait(on_pty=heard.extend)
    assert b"code=130" in heard
    assert b"no job control" not in heard


def test_killing_a_terminal_kills_its_jobs(sandbox):
    terminal = sandbox.pty.create(PtySize(rows=24, cols=80))
    sandbox.pty.send_stdin(terminal.pid, b"sleep 60 & sleep 61\n")
    wait_until(lambda: _children(terminal.pid).count(b"sleep") == 2)
    with open(f"/proc/{terminal.pid}/task/{terminal.pid}/children") as children:
        jobs = [int(pid) for pid in children.read().split()]
    assert sandbox.pty.kill(terminal.pid)
    wait_until(lambda: not any(_alive(pid) for pid in jobs))


def test_input_goes_where_the_program_reads(sandbox):
    terminal = sandbox.pty.create(PtySize(rows=24, cols=80))
    with pytest.raises(SandboxException, match="it has a terminal"):
        sandbox.commands.send_stdin(terminal.pid, "x")
    with pytest.raises(SandboxException, match="Ctrl"):
        sandbox.commands.close_stdin(terminal.pid)
    sandbox.pty.kill(terminal.pid)


def _children(pid):
    """Return the command names of a process's children."""
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        pids = children.read().split()
    names = b""
    for child in pids:
        try:
            with open(f"/proc/{child}/comm", "rb") as name:
                names += name.read()
        except FileNotFoundError:
            continue
    return names
