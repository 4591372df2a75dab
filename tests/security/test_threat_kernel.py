"""T-KERN: the kernel's settings, clocks, names and memory are out of reach, for root too."""

import errno
import os
import platform
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from e2b_code_interpreter import Sandbox

from capibara6_sandbox.isolation.proc import EMPTY_FILES, EMPTY_FOLDERS
from capibara6_sandbox.isolation.syscall_numbers import AARCH64, X86_64
from support.sandbox_server import SandboxServer

NUMBERS = {"x86_64": X86_64, "aarch64": AARCH64}[platform.machine()]
SETTINGS = (
    "kernel/core_pattern", "kernel/modprobe", "kernel/hostname", "kernel/domainname",
    "kernel/shmmax", "kernel/randomize_va_space", "vm/drop_caches",
    "vm/overcommit_memory", "fs/file-max", "fs/mqueue/queues_max", "net/ipv4/ip_forward",
    "net/core/somaxconn", "user/max_user_namespaces",
)  # fmt: skip


@pytest.mark.threat("T-KERN-1")
def test_tables_and_memory_of_the_kernel_read_as_empty(value_as: Callable[[str], Any]) -> None:
    code = f"""
import os
def read(name):
    try:
        with open(f"/proc/{{name}}", "rb") as file:
            return file.read(1)
    except OSError as failure:
        return b""
def names(folder):
    try:
        return os.listdir(f"/proc/{{folder}}")
    except FileNotFoundError:
        return []
[read(name) for name in {EMPTY_FILES}] + [names(name) for name in {EMPTY_FOLDERS}]
"""
    assert {bytes(b"".join(answer)) if answer else b"" for answer in value_as(code)} == {b""}


@pytest.mark.threat("T-KERN-1")
def test_there_is_no_sysfs_and_no_cgroup_file_system(value_as: Callable[[str], Any]) -> None:
    code = "import os\n(os.listdir('/sys'), {l.split()[2] for l in open('/proc/mounts')})"
    listed, kinds = value_as(code)
    assert listed == []
    assert not kinds & {"sysfs", "cgroup", "cgroup2", "debugfs", "securityfs", "tracefs", "bpf"}


@pytest.mark.threat("T-KERN-2")
def test_no_setting_of_the_kernel_can_be_written(value_as: Callable[[str], Any]) -> None:
    before = {name: _read(f"/proc/sys/{name}") for name in SETTINGS}
    code = f"""
import os
def attempt(path):
    try:
        fd = os.open(path, os.O_WRONLY)
    except OSError as failure:
        return failure.errno
    try:
        os.write(fd, b"1")
    except OSError as failure:
        return failure.errno
    return 0
[attempt(f"/proc/sys/{{name}}") for name in {SETTINGS}] + [attempt("/proc/sysrq-trigger")]
"""
    *answers, trigger = value_as(code)
    refused = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT}
    assert set(answers) <= refused
    assert trigger in refused | {0}  # an empty file, to write to which does nothing
    assert {name: _read(f"/proc/sys/{name}") for name in SETTINGS} == before


@pytest.mark.threat("T-KERN-2")
def test_nothing_of_proc_can_be_uncovered(value_as: Callable[[str], Any]) -> None:
    code = f"""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def error(*call):
    return ctypes.get_errno() if libc.syscall(*call) == -1 else 0
covered = (b"/proc/sys", b"/proc/kallsyms", b"/proc/bus", b"/proc")
{{error({NUMBERS["umount2"]}, path, flags) for path in covered for flags in (0, 2, 8)}}
"""
    assert value_as(code) == {errno.EPERM}


@pytest.mark.threat("T-KERN-3")
def test_clocks_and_the_hosts_name_stay(value_as: Callable[[str], Any]) -> None:
    calls = {
        "clock_settime": "0, room", "settimeofday": "room, 0", "adjtimex": "room",
        "clock_adjtime": "0, room", "sethostname": "b'c6', 2", "setdomainname": "b'c6', 2",
    }  # fmt: skip
    before, name = time.time(), socket.gethostname()
    code = f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
room = ctypes.create_string_buffer(512)
def error(*call):
    return ctypes.get_errno() if libc.syscall(*call) == -1 else 0
{{{", ".join(f"error({NUMBERS[name]}, {arguments})" for name, arguments in calls.items())}}}
"""
    assert value_as(code) == {errno.EPERM}
    assert abs(time.time() - before) < 600
    assert socket.gethostname() == name


@pytest.mark.threat("T-KERN-4")
def test_a_crash_leaves_no_dump_whatever_the_program_asks_for(
    sandbox_server: SandboxServer, value_as: Callable[[str], Any]
) -> None:
    """With 0 the kernel would hand a dump to the host's program, if `core_pattern` names one."""
    code = """
import os, resource, signal
resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
os.chdir("/tmp")
child = os.fork()
if child == 0:
    os.kill(os.getpid(), signal.SIGSEGV)
status = os.waitpid(child, 0)[1]
left = [name for name in os.listdir() if "core" in name]
(resource.getrlimit(resource.RLIMIT_CORE), os.WCOREDUMP(status), left)
"""
    limit, dumped, left = value_as(code)
    assert limit in ((1, 1), (0, 0))  # 0 where the server itself was started with it
    assert not dumped
    assert left == []


@pytest.mark.threat("T-KERN-4")
def test_a_kernel_that_crashes_leaves_no_dump(sandbox: Sandbox) -> None:
    limit = sandbox.run_code("import resource; resource.getrlimit(resource.RLIMIT_CORE)").text
    assert limit in ("(1, 1)", "(0, 0)")


@pytest.mark.threat("T-KERN-5")
def test_shared_memory_is_a_sandboxs_own_and_bounded(
    sandbox_server: SandboxServer, sandbox: Sandbox
) -> None:
    mine = f"canary-{os.getpid()}"
    other = Sandbox.create(**sandbox_server.sdk)
    try:
        sandbox.commands.run(f"echo found > /dev/shm/{mine}")
        assert other.commands.run("ls /dev/shm").stdout == ""
        assert not Path("/dev/shm", mine).exists()
        size = sandbox.commands.run("df --output=size -B1 /dev/shm | tail -1").stdout
        assert int(size) == 64 * 1024 * 1024
        filled = sandbox.commands.run("dd if=/dev/zero of=/dev/shm/big bs=1M count=100 2>&1; true")
        assert "No space left on device" in filled.stdout
        sandbox.commands.run("rm /dev/shm/*")
    finally:
        other.kill()


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:  # this kernel has none, or it can only be written
        return ""
