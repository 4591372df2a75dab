"""E2B's CLI at a terminal: what it asks for, which no pipe can give it."""

import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2b_code_interpreter import Sandbox

from support.javascript import installed, program
from support.sandbox_server import SandboxServer

FOLDER = Path(__file__).parent / "js"
CLI = "node_modules/@e2b/cli/dist/index.js"
WAIT_S = 30.0


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (31, 97))
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, **environment, "TERM": "xterm"},
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""

    def type(self, text: str) -> None:
        """Type as a person would."""
        os.write(self._ours, text.encode())

    def expect(self, pattern: str) -> "re.Match[str]":
        """Wait until the terminal has shown something."""
        deadline_s = time.monotonic() + WAIT_S
        while not (found := re.search(pattern, self.shown)):
            assert time.monotonic() < deadline_s, f"{pattern!r} was not shown in {self.shown!r}"
            if select.select([self._ours], [], [], 0.1)[0]:
                self.shown += os.read(self._ours, 65_536).decode(errors="replace")
        return found

    def close(self) -> None:
        """End it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def sandbox(sandbox_server: SandboxServer) -> Iterator[Sandbox]:
    sandbox = Sandbox.create("base", timeout=300, **sandbox_server.sdk)
    yield sandbox
    sandbox.kill()


@pytest.fixture
def terminal(sandbox_server: SandboxServer, sandbox: Sandbox) -> Iterator[Terminal]:
    cli = installed(FOLDER) / CLI
    command = [program("node"), str(cli), "sandbox", "connect", sandbox.sandbox_id]
    terminal = Terminal(command, sandbox_server.environ)
    yield terminal
    terminal.close()


@pytest.mark.timeout(420)  # the first one installs the packages
def test_connect_is_a_shell_in_the_sandbox(sandbox: Sandbox, terminal: Terminal) -> None:
    terminal.expect("Terminal connecting")
    terminal.expect(r"\$ ")
    terminal.type("echo $((6*7)); stty size; id -un; hostname\n")
    terminal.expect(r"42\s+31 97\s+user\s+" + sandbox.sandbox_id)
    terminal.type("echo be''gun; sleep 100\n")
    terminal.expect("begun")
    terminal.type("\x03")
    terminal.type("echo interrupted $?\n")
    terminal.expect(r"interrupted 130")
    terminal.type("exit\n")
    terminal.expect("Closing terminal connection")
    assert terminal.process.wait(WAIT_S) == 0
    assert sandbox.is_running()
    assert sandbox.commands.list() == []
