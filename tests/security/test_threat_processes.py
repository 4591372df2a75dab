"""T-PROC: a sandbox sees, reaches and inherits no process but its own."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from e2b_code_interpreter import Sandbox

from capibara6_sandbox.isolation.identity import has_id_ranges
from support.sandbox_server import CANARY, SandboxServer

needs_ranges = pytest.mark.skipif(
    not has_id_ranges(), reason="one id: there is nobody to become by sudo"
)


@pytest.mark.threat("T-PROC-1")
def test_processes_of_the_host_are_invisible(
    sandbox_server: SandboxServer, value_as: Callable[[str], Any]
) -> None:
    server = sandbox_server.process.pid
    shown = value_as("import os\n[int(n) for n in os.listdir('/proc') if n.isdigit()]")
    assert 1 in shown
    assert len(shown) < 20
    assert server not in shown


@pytest.mark.threat("T-PROC-1")
def test_processes_of_the_host_cannot_be_signalled(
    sandbox_server: SandboxServer, value_as: Callable[[str], Any]
) -> None:
    code = f"""
import os
def attempt():
    try:
        os.kill({sandbox_server.process.pid}, 0)
    except ProcessLookupError:
        return "none"
    return "there"
attempt()
"""
    assert value_as(code) == "none"


@pytest.mark.threat("T-PROC-1")
def test_sandboxes_do_not_share_ipc(sandbox_server: SandboxServer, sandbox: Sandbox) -> None:
    other = Sandbox.create(**sandbox_server.sdk)
    make = "import ctypes; ctypes.CDLL(None).shmget(0xC6, 4096, 0o1666)"
    find = "import ctypes; ctypes.CDLL(None).shmget(0xC6, 4096, 0)"
    try:
        assert sandbox.run_code(make).text != "-1"
        assert sandbox.run_code(find).text != "-1"
        assert other.run_code(find).text == "-1"
    finally:
        other.kill()


TARGETS = """
import os
def target(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""
targets = map(target, os.listdir("/proc/self/fd"))
"""


@pytest.mark.threat("T-PROC-2")
def test_no_descriptor_of_the_host_is_inherited(
    value: Callable[[str], Any], value_as: Callable[[str], Any]
) -> None:
    code = TARGETS + "list(targets)"
    own = ("pipe:", "socket:", "/dev/null", "/proc/", "anon_inode:", "/tmp/program.py")
    for targets in (value(code), value_as(code)):
        assert [t for t in targets if t and not t.startswith(own)] == []


@pytest.mark.threat("T-PROC-2")
def test_sockets_of_a_kernel_are_its_own(value: Callable[[str], Any]) -> None:
    """One leads to the agent; a second one would be a zygote's or a sibling's."""
    code = TARGETS + "len({target for target in targets if target.startswith('socket:')})"
    assert value(code) == 1


@pytest.mark.threat("T-PROC-3")
@pytest.mark.parametrize("name", ["mem", "environ", "maps", "fd/0", "root", "cwd", "exe"])
def test_the_agent_cannot_be_looked_into(value_as: Callable[[str], Any], name: str) -> None:
    code = f"""
import os
def attempt():
    path = "/proc/1/{name}"
    try:
        if os.path.islink(path):
            return os.readlink(path)
        if os.path.isdir(path):
            return os.listdir(path)
        with open(path, "rb") as file:
            return file.read(1)
    except OSError as failure:
        return type(failure).__name__
attempt()
"""
    assert value_as(code) in ("PermissionError", "OSError")


@pytest.mark.threat("T-PROC-3")
def test_the_agent_cannot_be_killed_by_programs(sandbox: Sandbox) -> None:
    every = "for n in $(seq 64); do kill -$n 1; done; sleep 0.2"  # SIGKILL and SIGSTOP among them
    sandbox.commands.run(every, user="root")
    assert sandbox.commands.run("echo alive").stdout == "alive\n"


@pytest.mark.threat("T-PROC-4")
def test_the_servers_environment_is_not_inherited(
    sandbox_server: SandboxServer, value: Callable[[str], Any], value_as: Callable[[str], Any]
) -> None:
    code = """
import glob
def read(path):
    try:
        return open(path, "rb").read().decode("latin-1")
    except OSError:
        return ""
"".join(read(p) for p in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"))
"""
    for seen in (value(code), value_as(code)):
        assert "HOME=" in seen or "python" in seen
        assert CANARY not in seen
        assert sandbox_server.key not in seen


@pytest.mark.threat("T-PROC-5")
def test_programs_hold_no_capability(value: Callable[[str], Any]) -> None:
    code = """
lines = [line.split() for line in open("/proc/self/status")]
{line[0].rstrip(":"): line[1] for line in lines if line[0].startswith(("Cap", "NoNew", "Seccomp:"))}
"""
    status = value(code)
    assert {int(mask, 16) for name, mask in status.items() if name.startswith("Cap")} == {0}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


@pytest.mark.threat("T-PROC-5")
def test_root_of_a_sandbox_is_nobody_outside(
    sandbox_server: SandboxServer, sandbox: Sandbox
) -> None:
    mapped = sandbox.commands.run("cat /proc/self/uid_map", user="root").stdout.split()
    inside, outside, _ = (int(number) for number in mapped)
    assert (inside, outside) != (0, 0)


@needs_ranges
@pytest.mark.threat("T-PROC-6")
def test_sudo_makes_no_more_than_root_of_the_sandbox(sandbox: Sandbox) -> None:
    shown = sandbox.commands.run("sudo cat /proc/self/status").stdout
    as_root = sandbox.commands.run("cat /proc/self/status", user="root").stdout
    walls = re.compile(r"^(?:Cap\w+|NoNewPrivs|Seccomp|Uid|Gid):.*$", re.MULTILINE)
    assert walls.findall(shown) == walls.findall(as_root)
    assert sandbox.commands.run("sudo readlink /proc/self/ns/user").stdout == (
        sandbox.commands.run("readlink /proc/self/ns/user").stdout
    )


@needs_ranges
@pytest.mark.threat("T-PROC-6")
def test_sudo_obeys_nobody_but_the_user_and_root(sandbox: Sandbox) -> None:
    refused = sandbox.commands.run("sudo -u nobody /opt/venv/bin/sudo id 2>&1; true").stdout
    assert refused == "sudo: user id 65534 may not run commands as others\n"
    assert sandbox.commands.run("sudo sudo -u user id -un").stdout == "user\n"


@needs_ranges
@pytest.mark.threat("T-PROC-6")
def test_nonsense_at_sudos_socket_ends_there(sandbox: Sandbox) -> None:
    code = r"""
import os, socket
answers = []
for packet, fds in [(b"", []), (b"{", [0, 1, 2]), (b"[]", [0, 1, 2]), (b"{}", []), (b"{}", [0] * 9),
                    (b"{}", [0, 1, 2]), (b'{"words": {"a": 1}, "user": 5}', [0, 1, 2]),
                    (b'{"words": ["id"], "user": "root", "env": 3}', [0, 1, 2]),
                    (b'{"words": ["id"], "user": "root", "cwd": "/no\\u0000"}', [0, 1, 2])]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as agent:
        agent.settimeout(10)
        agent.connect("\0capibara6-sudo")
        if packet:
            socket.send_fds(agent, [packet], fds)
        else:
            agent.shutdown(socket.SHUT_WR)
        answers.append(b"failed" in agent.recv(10_000))
print(answers)
"""
    sandbox.files.write("/tmp/nonsense.py", code)
    assert sandbox.commands.run("python /tmp/nonsense.py").stdout == f"{[True] * 9}\n"
    assert sandbox.commands.run("sudo id -un").stdout == "root\n"
