"""One sandbox for all tests of a file, and the errors that programs get in it."""

import ast
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from e2b_code_interpreter import Sandbox

from support.sandbox_server import SandboxServer


@pytest.fixture(scope="module")
def sandbox(sandbox_server: SandboxServer) -> Iterator[Sandbox]:
    sandbox = Sandbox.create(timeout=600, **sandbox_server.sdk)
    yield sandbox
    sandbox.kill()


@pytest.fixture
def value(sandbox: Sandbox) -> Callable[[str], Any]:
    """Run code in the sandbox's kernel and return the value of its last line."""

    def run(code: str) -> Any:
        lines = code.strip().splitlines()
        lines[-1] = f"print('\\n=' + repr({lines[-1]}))"
        execution = sandbox.run_code("\n".join(lines))
        assert execution.error is None, execution.error
        return ast.literal_eval("".join(execution.logs.stdout).rpartition("\n=")[2])

    return run


@pytest.fixture(params=["user", "root"])
def value_as(request: pytest.FixtureRequest, sandbox: Sandbox) -> Callable[[str], Any]:
    """Run a program as each user of the sandbox and return the value of its last line."""

    def run(code: str) -> Any:
        lines = code.strip().splitlines()
        lines[-1] = f"print('\\n=' + repr({lines[-1]}))"
        sandbox.files.write("/tmp/program.py", "\n".join(lines), user=request.param)
        shown = sandbox.commands.run("python /tmp/program.py", user=request.param)
        sandbox.files.remove("/tmp/program.py", user="root")
        return ast.literal_eval(shown.stdout.rpartition("\n=")[2])

    return run
