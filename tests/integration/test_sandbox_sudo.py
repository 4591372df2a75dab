"""`sudo` in a sandbox: the user's way to the sandbox's root, as in E2B's cloud."""

from collections.abc import Iterator

import pytest
from e2b import CommandExitException
from e2b_code_interpreter import Sandbox

from capibara6_sandbox.isolation.identity import has_id_ranges
from support.sandbox_server import SandboxServer

pytestmark = pytest.mark.skipif(not has_id_ranges(), reason="one id: there is nobody to become")


@pytest.fixture(scope="module")
def sandbox(sandbox_server: SandboxServer) -> Iterator[Sandbox]:
    sandbox = Sandbox.create(timeout=300, **sandbox_server.sdk)
    yield sandbox
    sandbox.kill()


def output(sandbox: Sandbox, command: str) -> str:
    return sandbox.commands.run(command).stdout.strip()


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("sudo id -un", "root"),
        ("sudo -u nobody id -un", "nobody"),
        ("sudo -i pwd", "/root"),
        ("sudo -s 'echo $((1 + 1))'", "2"),
        ("echo fed | sudo -n cat", "fed"),
        ("cd /srv && sudo pwd", "/srv"),
        ("sudo -D /tmp pwd", "/tmp"),
        ("KEPT=no sudo sh -c 'echo $KEPT.$HOME'", "./root"),
        ("KEPT=yes sudo -E sh -c 'echo $KEPT'", "yes"),
        ("sudo GIVEN=yes sh -c 'echo $GIVEN'", "yes"),
        ("sudo python -c 'import sys; print(sys.prefix)'", "/opt/venv"),
        ("sudo sh -c 'exit 7'; echo $?", "7"),
        ("sudo sh -c 'kill -TERM $$'; echo $?", "143"),
        ("sudo nosuch 2>&1; echo $?", "sudo: nosuch: command not found\n1"),
        ("sudo -u nosuch id 2>&1", "sudo: invalid username: 'nosuch'"),
        ("sudo -v && echo allowed", "allowed"),
    ],
)
def test_commands_run_as_asked(sandbox: Sandbox, command: str, expected: str) -> None:
    if expected.startswith("sudo: invalid"):
        command += "; true"
    assert output(sandbox, command) == expected


def test_root_writes_where_the_user_may_not(sandbox: Sandbox) -> None:
    with pytest.raises(CommandExitException):
        sandbox.commands.run("mkdir /srv/mine")
    for folder in ("/srv", "/mnt", "/opt", "/var/lib", "/etc"):
        output(sandbox, f"sudo mkdir {folder}/mine && test -d {folder}/mine")


def test_a_command_ends_with_whoever_asked(sandbox: Sandbox) -> None:
    handle = sandbox.commands.run("sudo sleep 5432", background=True)
    output(sandbox, "until pgrep -f '^sleep 5432'; do sleep 0.05; done")
    handle.kill()
    output(sandbox, "while pgrep -f '^sleep 5432'; do sleep 0.05; done")


def test_signals_are_passed_on(sandbox: Sandbox) -> None:
    command = "timeout -s INT 1 sudo sh -c 'trap \"echo heard; exit 0\" INT; sleep 50 & wait'"
    assert output(sandbox, f"{command}; true") == "heard"


def test_code_may_ask_too(sandbox: Sandbox) -> None:
    assert "".join(sandbox.run_code("!sudo id -un").logs.stdout).strip() == "root"


def test_a_hundred_at_once_are_bounded(sandbox: Sandbox) -> None:
    told = output(sandbox, "for i in $(seq 100); do sudo sleep 1 2>&1 & done; wait")
    assert set(told.splitlines()) <= {"sudo: 64 commands run already"}
    assert output(sandbox, "sudo id -un") == "root"
