"""envd's application and the real agent, driven by the published SDK."""

import pytest
from e2b import CommandExitException, NotFoundException, TimeoutException
from support.envd_server import running_envd


@pytest.fixture(scope="module")
def envd(tmp_path_factory):
    with running_envd(tmp_path_factory.mktemp("agent") / "socket") as server:
        yield server


@pytest.fixture(scope="module")
def sandbox(envd):
    return envd.client()


def test_a_command_runs_and_its_output_comes_back(sandbox):
    result = sandbox.commands.run("echo out; echo err >&2")
    assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 0)


def test_a_file_comes_back_as_written(sandbox, tmp_path):
    path = str(tmp_path / "new" / "file.txt")
    assert sandbox.files.write(path, "¡Hola!").path == path
    assert sandbox.files.read(path) == "¡Hola!"
