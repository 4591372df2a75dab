"""T-LIM-9: what holds without root and without cgroups, where rlimits bound each process alone."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2b import CommandExitException
from e2b.exceptions import NotEnoughSpaceException
from e2b_code_interpreter import Execution, Sandbox

from capibara6_sandbox.templates.catalog import TEMPLATES
from support.ordinary_user import as_ordinary_user
from support.sandbox_server import SandboxServer

pytestmark = pytest.mark.threat("T-LIM-9")
MIB = 1024 * 1024
LIMITS = TEMPLATES["quick_script"].limits
FORKS = """
import os, signal
children = []
try:
    while True:
        children.append(os.fork())
        if not children[-1]:
            signal.pause()
except OSError as failure:
    print(len(children), flush=True)
    raise
finally:
    for child in children:
        os.kill(child, signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    home = Path(tempfile.mkdtemp())
    source = Path(__file__).parents[2] / "src"
    wrapper = as_ordinary_user(home, source)
    data = ("--data", str(home)) if os.geteuid() == 0 else ()  # where the templates are shown
    server = SandboxServer((*data, "--pool", "0"), wrapper=wrapper).start()
    yield server
    assert server.stop() == 0
    shutil.rmtree(home)


@pytest.fixture
def sandbox(server: SandboxServer) -> Iterator[Sandbox]:
    if not any("no cgroups" in line for line in server.log_lines):
        pytest.skip("this user has cgroups")
    sandbox = Sandbox.create("quick_script", timeout=120, **server.sdk)
    yield sandbox
    assert sandbox.run_code("1 + 1").text == "2"
    sandbox.kill()


def notices(execution: Execution) -> str:
    return "".join(execution.logs.stderr)


def test_that_it_is_less_is_said_plainly(server: SandboxServer, sandbox: Sandbox) -> None:
    log = "".join(server.log_lines)
    assert "only rlimits bound memory and processes" in log
    assert "no ranges of ids" in log


def test_memory_of_a_process(server: SandboxServer, sandbox: Sandbox) -> None:
    before = server.memory_bytes()
    execution = sandbox.run_code("piles = [bytearray(16 << 20) for _ in range(1000)]")
    assert execution.error is not None
    assert execution.error.name == "MemoryError"
    assert f"may hold {LIMITS.memory_bytes // MIB} MiB of memory" in notices(execution)
    with pytest.raises(CommandExitException) as failure:
        sandbox.commands.run("python -c 'b = [bytearray(1 << 24) for _ in range(99)]'")
    assert f"may hold {LIMITS.memory_bytes // MIB} MiB of memory" in failure.value.stderr
    assert server.memory_bytes() - before < 64 * MIB


def test_processes_of_a_sandbox(sandbox: Sandbox) -> None:
    """Linux counts them by user and user namespace: of one sandbox alone, like the cgroup."""
    sandbox.files.write("/tmp/forks.py", FORKS)
    with pytest.raises(CommandExitException) as failure:
        sandbox.commands.run("python /tmp/forks.py; python /tmp/forks.py")
    ended = failure.value
    counts = [int(number) for number in re.findall(r"^\d+$", ended.stdout, re.MULTILINE)]
    assert len(counts) == 2
    assert all(LIMITS.processes // 2 < count <= LIMITS.processes for count in counts)
    assert f"limit of {LIMITS.processes} processes and threads" in ended.stderr


def test_open_files_of_a_process(sandbox: Sandbox) -> None:
    execution = sandbox.run_code("import os\nheld = [os.dup(1) for _ in range(100_000)]")
    assert "files and sockets open at a time" in notices(execution)
    sandbox.run_code("os.closerange(20, 4096)")


def test_size_of_a_file_in_memory_or_on_disk(sandbox: Sandbox) -> None:
    code = "import os\nfd = os.memfd_create('x')\nwhile True:\n    os.write(fd, bytes(8 << 20))"
    execution = sandbox.run_code(code)
    assert execution.error is not None
    assert "File too large" in execution.error.value
    assert f"may have {LIMITS.memory_bytes // MIB} MiB" in notices(execution)


def test_the_disk(sandbox: Sandbox) -> None:
    fill = "with open('big', 'wb') as f:\n    while True:\n        f.write(bytes(1 << 20))"
    execution = sandbox.run_code(fill)
    assert f"limited to {LIMITS.disk_bytes // MIB} MiB" in notices(execution)
    with pytest.raises(NotEnoughSpaceException):
        sandbox.files.write("more", b"x" * MIB)
    sandbox.files.remove("big")
    sandbox.files.write("more", b"x" * MIB)


def test_no_core_dumps(sandbox: Sandbox) -> None:
    code = "import resource as r\nr.setrlimit(r.RLIMIT_CORE, (0, 0)); r.getrlimit(r.RLIMIT_CORE)"
    assert sandbox.run_code(code).text in ("(1, 1)", "(0, 0)")
