"""T-LIM: whatever a program takes, its sandbox's limits hold; seen from the host.

And each limit that is met is named, with its value, to whoever ran the program.
"""

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from e2b.exceptions import NotEnoughSpaceException
from e2b_code_interpreter import Execution, Sandbox

from capibara6_sandbox.templates.catalog import TEMPLATES
from support.sandbox_server import SandboxServer, wait_until

MIB = 1024 * 1024
LIMITS = TEMPLATES["quick_script"].limits
MEMORY = f"{LIMITS.memory_bytes // MIB} MiB"
BURN = """
(while :; do :; done) & (while :; do :; done) & (while :; do :; done) &
(bomb() { bomb | bomb & }; bomb) &
cat /dev/zero > /home/user/big &
cat /dev/zero > /dev/shm/big &
python -c 'piles = [bytearray(8 << 20) for _ in range(1000)]' &
python -c 'import os; pipes = [os.pipe() for _ in range(9999)]' &
sleep 60
"""

FORKS = """
import os, signal
children = []
try:
    while True:
        children.append(os.fork())
        if not children[-1]:
            signal.pause()
finally:
    for child in children:
        os.kill(child, signal.SIGKILL)
"""
HOARDS = {
    "pipes": """
import fcntl, os
held = []
while True:
    held.append(os.pipe())
    fcntl.fcntl(held[-1][1], 1031, 1 << 20)  # F_SETPIPE_SZ
    os.set_blocking(held[-1][1], False)
    os.write(held[-1][1], bytes(1 << 20))
""",
    "sockets": """
import socket
held = []
while True:
    held.append(socket.socketpair())
    held[-1][0].setblocking(False)
    held[-1][0].send(bytes(150_000))
""",
    "memfd": """
import os
held = []
while True:
    held.append(os.memfd_create("x"))
    os.write(held[-1], bytes(8 << 20))
""",
    "shared memory": """
import ctypes
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
while True:
    found = libc.shmget(0, 8 << 20, 0o1600)
    assert found >= 0
    ctypes.memset(libc.shmat(found, None, 0), 1, 8 << 20)
""",
    "queues": """
import ctypes
libc = ctypes.CDLL(None)
while True:
    found = libc.msgget(0, 0o1600)
    assert found >= 0
    while libc.msgsnd(found, bytes([1]) + bytes(8007), 8000, 0o4000) == 0:
        pass
""",
}


@pytest.fixture
def server(sandbox_server: SandboxServer) -> Iterator[SandboxServer]:
    """A server that is as healthy afterwards as before, and no larger."""
    before = sandbox_server.memory_bytes()
    yield sandbox_server
    assert httpx.get(f"{sandbox_server.url}/health").status_code == 200
    assert sandbox_server.memory_bytes() - before < 64 * MIB


@pytest.fixture
def sandbox(server: SandboxServer) -> Iterator[Sandbox]:
    sandbox = Sandbox.create("quick_script", timeout=300, **server.sdk)
    yield sandbox
    sandbox.kill()


@pytest.fixture
def group(server: SandboxServer, sandbox: Sandbox) -> Callable[[str], Path]:
    """Return the sandbox's own group of a controller, on the host."""

    def find(controller: str) -> Path:
        found = [path for path in server.cgroups() if path.name == sandbox.sandbox_id]
        for path in found:
            if len(found) == 1 or controller in path.parts:
                return path
        pytest.skip("no cgroups on this machine")

    return find


def notices(execution: Execution) -> str:
    return "".join(execution.logs.stderr)


def number(group: Path, *names: str) -> int:
    """Return the first number of that of a group's files which this machine has."""
    texts = [(group / name).read_text() for name in names if (group / name).exists()]
    return int(re.findall(r"\d+", texts[0])[0])


@pytest.mark.threat("T-LIM-1")
def test_memory_ends_the_program_alone_and_is_named(
    server: SandboxServer, sandbox: Sandbox, group: Callable[[str], Path]
) -> None:
    memory, alive = group("memory"), set(server.descendants())
    execution = sandbox.run_code("piles = [bytearray(16 << 20) for _ in range(1000)]")
    assert execution.error is not None
    assert execution.error.name == "OutOfMemory"
    assert MEMORY in execution.error.value
    assert "template with more memory" in execution.error.value
    assert number(memory, "memory.max_usage_in_bytes", "memory.peak") <= LIMITS.memory_bytes
    assert len(alive - set(server.descendants())) <= 1  # the kernel, and nobody else
    assert sandbox.run_code("1 + 1").text == "2"


@pytest.mark.threat("T-LIM-1")
def test_memory_of_a_command_is_named(sandbox: Sandbox, group: Callable[[str], Path]) -> None:
    group("memory")
    hog = "python -c 'piles = [bytearray(16 << 20) for _ in range(1000)]'"
    ended = sandbox.commands.run(f"{hog}; echo went on with $?")
    assert ended.stdout.endswith("went on with 137\n")
    assert f"limit of {MEMORY} of memory" in ended.stderr
    execution = sandbox.run_code(f"import os; os.system({hog!r})")
    assert f"limit of {MEMORY} of memory" in notices(execution)


@pytest.mark.threat("T-LIM-2")
def test_processes_and_threads_are_counted_and_named(
    server: SandboxServer, sandbox: Sandbox, group: Callable[[str], Path]
) -> None:
    pids = group("pids")
    code = """
import threading
stop = threading.Event()
try:
    for _ in range(10_000):
        threading.Thread(target=stop.wait).start()
finally:
    stop.set()
"""
    execution = sandbox.run_code(code)
    assert execution.error is not None
    assert "can't start new thread" in execution.error.value
    assert f"limit of {LIMITS.processes} processes and threads" in notices(execution)
    assert number(pids, "pids.max") == LIMITS.processes
    sandbox.files.write("/tmp/forks.py", FORKS)
    shown = sandbox.commands.run("python /tmp/forks.py || true")
    assert "Resource temporarily unavailable" in shown.stderr
    assert f"limit of {LIMITS.processes} processes and threads" in shown.stderr
    assert number(pids, "pids.current") <= LIMITS.processes


@pytest.mark.threat("T-LIM-3")
def test_processors_are_shared_out(sandbox: Sandbox, group: Callable[[str], Path]) -> None:
    """What is used is bounded by what has passed, whatever else runs here."""
    usage = group("cpuacct") / "cpuacct.usage"
    if not usage.exists():
        pytest.skip("the oracle is of version 1")
    spin = "for i in 1 2 3 4; do (while :; do :; done) & done; wait"
    hog = sandbox.commands.run(spin, background=True, timeout=60)
    time.sleep(0.5)
    began, used = time.monotonic(), int(usage.read_text())
    time.sleep(3)
    passed_s, used_s = time.monotonic() - began, (int(usage.read_text()) - used) / 1e9
    assert used_s <= passed_s * LIMITS.cpus * 1.2 + 0.1  # with what a burst may borrow
    assert hog.kill() is True


@pytest.mark.threat("T-LIM-4")
def test_open_files_are_counted_and_named(server: SandboxServer, sandbox: Sandbox) -> None:
    execution = sandbox.run_code("import os\nheld = [os.dup(1) for _ in range(100_000)]")
    assert execution.error is not None
    assert "Too many open files" in execution.error.value
    assert "4,096 files and sockets" in notices(execution)
    raised = "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (1 << 20, 1 << 20))"
    execution = sandbox.run_code(raised)
    assert execution.error is not None
    assert max(open_files(server)) <= 65_536


@pytest.mark.threat("T-LIM-5")
@pytest.mark.parametrize(
    "fill",
    [
        "cat /dev/zero > /home/user/filling/big",
        "fallocate -l 100G /home/user/filling/big || cat /dev/zero >> /home/user/filling/more",
        "cd filling; for d in $(seq 200); do mkdir $d; touch $d/{1..400} || break; done; touch x/y",
    ],
    ids=["bytes", "fallocate", "inodes"],
)
def test_the_disk_is_bounded_and_named(server: SandboxServer, sandbox: Sandbox, fill: str) -> None:
    sandbox.files.make_dir("filling")
    code = f"import subprocess as s\ns.run(['bash', '-c', {fill!r}], stderr=s.PIPE).stderr[-200:]"
    ended = sandbox.run_code(code)
    assert "No space left on device" in str(ended.text)
    failed = sandbox.run_code("open('filling/another', 'w').write('x' * 100_000)")
    assert failed.error is not None
    assert f"limited to {LIMITS.disk_bytes // MIB} MiB" in notices(failed)
    assert f"{LIMITS.inodes:,} files" in notices(failed)
    with pytest.raises(NotEnoughSpaceException):
        sandbox.files.write("filling/by-the-api", b"x" * MIB)
    assert sandbox.files.exists("filling")
    sandbox.files.remove("filling")
    sandbox.files.write("after", b"x" * MIB)
    assert sandbox.files.get_info("after").size == MIB


@pytest.mark.threat("T-LIM-6")
def test_output_that_nobody_hears_is_cut_and_said_to_be(
    server: SandboxServer, sandbox: Sandbox
) -> None:
    code = "import subprocess\nsubprocess.Popen('head -c 200000000 /dev/zero', shell=True)"
    sandbox.run_code(code)
    time.sleep(1)
    execution = sandbox.run_code("2")
    shown = "".join(execution.logs.stdout)
    assert "bytes of background output dropped]" in shown
    assert len(shown) < MIB


@pytest.mark.threat("T-LIM-7")
@pytest.mark.parametrize("what", HOARDS)
def test_buffers_of_the_kernel_count_as_memory(
    sandbox: Sandbox, group: Callable[[str], Path], what: str
) -> None:
    memory = group("memory")
    execution = sandbox.run_code(HOARDS[what])
    assert execution.error is not None
    assert number(memory, "memory.max_usage_in_bytes", "memory.peak") <= LIMITS.memory_bytes
    assert sandbox.run_code("1 + 1").text == "2"


@pytest.mark.threat("T-LIM-8")
def test_the_server_answers_while_a_sandbox_burns_all_it_has(
    server: SandboxServer, sandbox: Sandbox
) -> None:
    other = Sandbox.create("quick_script", **server.sdk)
    try:
        sandbox.files.write("small", "kept")
        before = len(server.descendants())
        sandbox.commands.run(BURN, background=True, timeout=120)
        wait_until(lambda: len(server.descendants()) > before + 50)
        for _ in range(5):
            assert sandbox.files.read("small") == "kept"
            assert "small" in {entry.name for entry in sandbox.files.list(".")}
            assert sandbox.is_running()
            assert other.run_code("1 + 1").text == "2"
            assert len(server.descendants()) < before + LIMITS.processes + 50
        assert sandbox.kill() is True
        wait_until(lambda: len(server.descendants()) < before + 20)  # the pool may have grown
        assert not [path for path in server.cgroups() if path.name == sandbox.sandbox_id]
    finally:
        other.kill()


def open_files(server: SandboxServer) -> Iterator[int]:
    """Yield how many each process has open; an ordinary user may not ask that of an agent."""
    for pid in server.descendants():
        with contextlib.suppress(PermissionError, FileNotFoundError):
            yield len(os.listdir(f"/proc/{pid}/fd"))
