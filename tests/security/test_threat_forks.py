"""T-FORK: kernels that run hostile code while the server lets them fork into another sandbox.

Each attack is code of the origin, which finds the guest's modules in its own memory and changes
them, or hooks what Python calls. What it gained it notes in a file of the origin. Afterwards the
fork has fresh kernels and says so, or is as it should be; everybody else is served; and all that
the attack started is gone with its sandboxes.
"""

import ast
import threading
from collections.abc import Iterator

import pytest
from e2b_code_interpreter import Sandbox

from support.sandbox_server import SandboxServer, wait_until

TOOLS = """
import ctypes, os, signal, socket, sys, time
carry = sys.modules["capibara6_guest.python_carry"]
linux = sys.modules["capibara6_sandbox.isolation.linux"]
kernel_class = sys.modules["capibara6_guest.python_kernel"].PythonKernel
libc = ctypes.CDLL(None, use_errno=True)
KINDS = ("user", "pid", "mnt", "net", "ipc", "uts", "cgroup")
def note(text):
    with open("/tmp/gained", "a") as file: file.write(str(text) + "\\n")
def join_all(base):
    "Try every namespace of a process; note those that let us in."
    for kind in KINDS:
        try: fd = os.open(f"{base}/ns/{kind}", os.O_RDONLY)
        except OSError: continue
        before = os.stat(f"/proc/self/ns/{kind}").st_ino
        libc.setns(fd, 0)
        if os.stat(f"/proc/self/ns/{kind}").st_ino != before: note(f"{base} {kind}")
        os.close(fd)
def bits():
    "The capabilities that this process holds."
    return int(next(l for l in open("/proc/self/status") if l.startswith("CapEff")).split()[1], 16)
x = 41
"""

# The child of the kernel that shall become the copy, before it has received any namespace.
GREEDY_BEFORE = """
def attack():
    for pid in [p for p in os.listdir("/proc") if p.isdigit()]: join_all(f"/proc/{pid}")
    if bits(): note("capabilities")
os.register_at_fork(after_in_child=attack)
"""
# It gets the namespaces, and takes other ones with the calls that it is allowed.
GREEDY_INSIDE = """
def enter(namespaces):
    libc.setns(namespaces[0], 0)
    for pid in [p for p in os.listdir("/proc") if p.isdigit()]: join_all(f"/proc/{pid}")
    join_all("/proc/self/root/proc/1")
honest = carry._become_copy
carry._become_copy = lambda fds, own, _, notes: honest(fds, own, enter, notes)
"""
# It keeps the capabilities, and goes on as if nothing were.
KEEPS_RIGHTS = """
linux.set_capabilities = lambda allowed: None
"""
# It leaves a helper with the capabilities behind, and then is honest.
LEAVES_HELPER = """
plain = linux.set_capabilities
def later(allowed):
    if os.fork() == 0:
        while True: time.sleep(1)
    plain(allowed)
linux.set_capabilities = later
"""
# It does not go in at all, or only half.
STAYS = "linux.setns = lambda fd, kind: None"
HALF = """
calls = []
plain = linux.setns
def half(fd, kind):
    calls.append(fd)
    if len(calls) <= 2: plain(fd, kind)
linux.setns = half
"""
MORE_CALLS = """
plain = linux.setns
def often(fd, kind):
    for _ in range(50): libc.setns(fd, 0)
    plain(fd, kind)
linux.setns = often
"""
# Calls from many processes and threads at once, while the server listens to one.
CROWD = """
import threading
def crowd():
    while True:
        if os.fork() == 0:
            for _ in range(20): join_all("/proc/1")
            if bits(): note("capabilities")
            os._exit(0)
        os.waitpid(-1, 0)
for _ in range(4): threading.Thread(target=crowd, daemon=True).start()
"""
LYING_FORK = "plain = os.fork; os.fork = lambda: 0"
NO_FORK = "os.fork = lambda: 12345"
CLOSED = "os.register_at_fork(after_in_child=lambda: os.closerange(3, 4096))"
KILLED = "os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), 9))"
RAISES = """
def stop(*_): raise SystemExit("no")
for name in ("_lost_threads", "_open_files", "_renew"): setattr(carry, name, stop)
"""
SIGNALS = """
def on_alarm(*_): raise RuntimeError("alarm")
signal.signal(signal.SIGALRM, on_alarm)
os.register_at_fork(after_in_child=lambda: signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4))
"""
NONSENSE = """
kernel_class._fork = lambda self: self._connection._socket.sendall(b'{"end"]]]\\xff\\n' * 1000)
"""
FORGED_END = "kernel_class._fork = lambda self: self._connection.publish({'end': True})"
FORGED_REPORT = """
def forge(self):
    fds, self._connection.fds = self._connection.fds, []
    with socket.socket(fileno=fds[-1]) as report: report.send(b'{"notes": []}')
    self._connection.publish({"end": True})
    time.sleep(1)
kernel_class._fork = forge
"""
LONG_REPORT = """
import json
honest = json.dumps
long = {"notes": ["\\ud800\\x1b" * 4_000]}
json.dumps = lambda value: honest(long if "notes" in value else value)
"""
DEEP_REPORT = """
import json
honest = json.dumps
json.dumps = lambda value: "[" * 60_000 if "notes" in value else honest(value)
"""
SILENT = "kernel_class._fork = lambda self: time.sleep(3600)"
LATE = "os.register_at_fork(after_in_child=lambda: time.sleep(14))"

# It keeps what leads to its origin, or to whoever else was forked from that.
KEEPS = """
import mmap
carry._separate_files = lambda files, own, stand_in: []
"""
KEEPS_FOLDER = KEEPS + "kept = os.open('/', os.O_RDONLY)"
KEEPS_FOLDER_BY_PATH = KEEPS + "kept = os.open('/home', os.O_PATH)"
KEEPS_FILE = KEEPS + "kept = os.open('/tmp/kept', os.O_RDWR | os.O_CREAT)"
KEEPS_PIPE = KEEPS + "kept = os.pipe()"
KEEPS_SOCKETS = KEEPS + "kept = socket.socketpair()"
KEEPS_MEMFD = KEEPS + "kept = os.memfd_create('kept')"
KEEPS_PROCESS = KEEPS + "kept = os.pidfd_open(1)"
KEEPS_DIRECTORY = """
kept = os.open('/tmp', os.O_RDONLY)
def stay(cwd):
    os.fchdir(kept)
    return []
plain = carry._separate_files
carry._separate_files = lambda files, own, stand_in: (
    plain([f for f in files if f.fd != kept], own, stand_in))
carry._change_directory = lambda cwd: (stay(cwd), os.close(kept))[0]
"""
KEEPS_MEMORY = """
import mmap
kept = mmap.mmap(-1, 4096)
carry._separate_mappings = lambda mappings: []
"""
KEEPS_SYSTEM_V = """
libc.shmat.restype = ctypes.c_void_p
kept = libc.shmat(libc.shmget(0, 4096, 0o1600), None, 0)
carry._separate_mappings = lambda mappings: []
"""

REFUSED = {
    "takes what it is not given": GREEDY_INSIDE,
    "keeps its rights": KEEPS_RIGHTS,
    "leaves a helper": LEAVES_HELPER,
    "stays": STAYS,
    "goes in half": HALF,
    "calls too often": MORE_CALLS,
}
KEPT = {
    "a folder": KEEPS_FOLDER,
    "a folder by its path": KEEPS_FOLDER_BY_PATH,
    "a file": KEEPS_FILE,
    "a pipe": KEEPS_PIPE,
    "sockets": KEEPS_SOCKETS,
    "a file in memory": KEEPS_MEMFD,
    "a process": KEEPS_PROCESS,
    "its directory": KEEPS_DIRECTORY,
    "shared memory": KEEPS_MEMORY,
    "System V memory": KEEPS_SYSTEM_V,
}
BROKEN = {
    "os.fork lies": LYING_FORK,
    "os.fork does nothing": NO_FORK,
    "descriptors closed": CLOSED,
    "child killed": KILLED,
    "guest code raises": RAISES,
    "nonsense": NONSENSE,
    "forged end": FORGED_END,
    "forged report": FORGED_REPORT,
    "deep report": DEEP_REPORT,
}


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    server = SandboxServer(("--pool", "0")).start()
    if "no cgroups" in "".join(server.log_lines):
        server.stop()
        pytest.skip("kernels are let into forks where there are cgroups")
    yield server
    assert server.stop() == 0


@pytest.fixture
def witness(server: SandboxServer) -> Iterator[Sandbox]:
    """Another sandbox, which answers before and after; then nothing is left of all."""
    processes = len(server.descendants())
    sandbox = Sandbox.create(timeout=300, **server.sdk)
    assert sandbox.run_code("6 * 7").text == "42"
    yield sandbox
    assert sandbox.run_code("6 * 7").text == "42"
    assert sandbox.commands.run("ls /tmp").stdout == ""
    sandbox.kill()
    wait_until(lambda: len(server.descendants()) <= processes)
    assert server.cgroups() == []
    assert "Traceback" not in "".join(server.log_lines)


@pytest.fixture
def origin(server: SandboxServer, witness: Sandbox) -> Iterator[Sandbox]:
    sandbox = Sandbox.create(timeout=300, **server.sdk)
    assert sandbox.run_code(TOOLS).error is None
    yield sandbox
    assert sandbox.commands.run("cat /tmp/gained || true").stdout == ""
    sandbox.kill()


def _prepare(origin: Sandbox, attack: str) -> None:
    done = origin.run_code(attack)
    assert done.error is None, (done.error, done.logs)


def _fork(origin: Sandbox) -> Sandbox:
    (fork,) = origin.fork()
    assert isinstance(fork, Sandbox), fork
    return fork


def _assert_fresh(fork: Sandbox) -> None:
    """See that nothing of the origin's kernel is in a fork, and that it says so."""
    done = fork.run_code("globals().get('x')")
    assert "fresh kernels" in "".join(done.logs.stderr), done
    assert done.text is None
    assert fork.run_code("1 + 1").text == "2"


def _assert_harmless(fork: Sandbox) -> None:
    """See that no process of a fork holds a capability."""
    code = """
import glob, re
owned = [text for f in glob.glob("/proc/[0-9]*/status") if "\\t1000" in (text := open(f).read())]
sorted({re.search(r"CapEff:\\s+(\\S+)", text)[1] for text in owned})
"""
    assert fork.run_code(code).text == "['0000000000000000']"


@pytest.mark.threat("T-FORK-1")
def test_a_child_enters_nothing_before_it_is_told(origin: Sandbox) -> None:
    _prepare(origin, GREEDY_BEFORE)
    with _fork(origin) as fork:
        assert fork.run_code("1 + 1").text == "2"
        _assert_harmless(fork)
        assert fork.commands.run("cat /tmp/gained || true").stdout == ""


@pytest.mark.threat("T-FORK-1")
@pytest.mark.threat("T-FORK-2")
@pytest.mark.parametrize("attack", REFUSED.values(), ids=REFUSED)
def test_what_does_not_go_where_it_is_told_is_ended(origin: Sandbox, attack: str) -> None:
    _prepare(origin, attack)
    with _fork(origin) as fork:
        _assert_fresh(fork)
        _assert_harmless(fork)


@pytest.mark.threat("T-FORK-5")
@pytest.mark.parametrize("attack", KEPT.values(), ids=KEPT)
def test_what_keeps_a_way_to_its_origin_is_ended(origin: Sandbox, attack: str) -> None:
    _prepare(origin, attack)
    with _fork(origin) as fork:
        told = "".join(fork.run_code("globals().get('x')").logs.stderr)
        assert "holds on to what is not its sandbox's" in told
        assert fork.run_code("globals().get('x')").text is None


@pytest.mark.threat("T-FORK-1")
def test_a_crowd_that_calls_gains_nothing_and_stops_nobody(
    origin: Sandbox, witness: Sandbox
) -> None:
    _prepare(origin, CROWD)
    for _ in range(2):
        with _fork(origin) as fork:
            assert fork.run_code("1 + 1").text == "2"
            assert witness.run_code("6 * 7").text == "42"
            _assert_harmless(fork)


@pytest.mark.threat("T-FORK-3")
@pytest.mark.parametrize("attack", BROKEN.values(), ids=BROKEN)
def test_what_breaks_the_order_costs_its_own_fork_alone(origin: Sandbox, attack: str) -> None:
    _prepare(origin, attack)
    with _fork(origin) as fork:
        _assert_fresh(fork)


@pytest.mark.threat("T-FORK-3")
@pytest.mark.parametrize("attack", [SIGNALS, LONG_REPORT], ids=["signals", "long report"])
def test_what_only_disturbs_is_survived(origin: Sandbox, attack: str) -> None:
    _prepare(origin, attack)
    with _fork(origin) as fork:
        assert fork.run_code("1 + 1").text == "2"


@pytest.mark.threat("T-FORK-3")
@pytest.mark.parametrize("attack", [SILENT, LATE], ids=["silent", "late"])
def test_a_kernel_that_does_not_answer_holds_up_nobody_else(
    origin: Sandbox, witness: Sandbox, attack: str
) -> None:
    _prepare(origin, attack)
    forks: list[Sandbox] = []
    forking = threading.Thread(target=lambda: forks.append(_fork(origin)))
    forking.start()
    with _fork(witness) as other:
        assert other.run_code("1 + 1").text == "2"
    assert witness.run_code("6 * 7").text == "42"
    forking.join(60)
    _assert_fresh(forks[0])
    forks[0].kill()


@pytest.mark.threat("T-FORK-4")
def test_an_origin_that_ends_a_stem_costs_it_its_variables_alone(
    server: SandboxServer, origin: Sandbox
) -> None:
    snapshot = origin.create_snapshot()
    ended = origin.run_code("""
mine = os.getpid()
for pid in [int(p) for p in os.listdir("/proc") if p.isdigit() and int(p) not in (1, mine)]:
    try: os.kill(pid, signal.SIGKILL)
    except OSError: pass
""")
    assert ended.error is None
    with Sandbox.create(snapshot.snapshot_id, **server.sdk) as started:
        _assert_fresh(started)
    assert Sandbox.delete_snapshot(snapshot.snapshot_id, **server.sdk)


@pytest.mark.threat("T-FORK-4")
def test_a_fork_reaches_neither_its_origin_nor_its_siblings(origin: Sandbox) -> None:
    first, second = origin.fork(count=2)
    assert isinstance(first, Sandbox)
    assert isinstance(second, Sandbox)
    secret = "import uuid; os.environ['MARK'] = mark = 'mark-' + 'of-another'"
    for other in (origin, second):
        other.run_code(secret)
        other.commands.run("sleep 300 & echo hidden > /tmp/hidden", background=True)
    seen = first.run_code("""
names = [open(f"/proc/{p}/comm").read().strip() for p in os.listdir("/proc") if p.isdigit()]
("sleep" in names, os.path.exists("/tmp/hidden"), len(names))
""")
    assert seen.text is not None
    sleeping, exists, _ = ast.literal_eval(seen.text)
    assert (sleeping, exists) == (False, False)
    first.kill()
    second.kill()
