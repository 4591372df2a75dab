"""T-CALL: system calls that a sandbox has no business with are refused by the filter.

Those chosen here would succeed without it, at least for an ordinary user.
"""

import errno
import platform
from collections.abc import Callable
from typing import Any

import pytest

from capibara6_sandbox.isolation.linux import NAMESPACES
from capibara6_sandbox.isolation.syscall_numbers import AARCH64, X86_64

NUMBERS = {"x86_64": X86_64, "aarch64": AARCH64}[platform.machine()]
CALL = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    "The error of a system call, 0 if it succeeds."
    arguments = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments]
    return ctypes.get_errno() if libc.syscall(ctypes.c_long(number), *arguments) == -1 else 0
room = ctypes.create_string_buffer(4096)
"""
REFUSED = {
    "ptrace": "0, 0, 0, 0",  # PTRACE_TRACEME
    "process_vm_readv": "__import__('os').getpid(), room, 0, room, 0, 0",
    "keyctl": "0, -2 & (2**64 - 1), 1",  # the id of the process's own keyring
    "add_key": "b'user', b'name', b'value', 5, -2 & (2**64 - 1)",
    "request_key": "b'user', b'name', b'', 0",
    "io_uring_setup": "1, room",
    "bpf": "0, room, 48",
    "perf_event_open": "room, 0, -1 & (2**64 - 1), -1 & (2**64 - 1), 0",
    "userfaultfd": "1",
    "mount": "b'none', b'/tmp', b'tmpfs', 0, b''",
    "umount2": "b'/tmp', 2",
    "pivot_root": "b'/', b'/'",
    "chroot": "b'/tmp'",
    "open_tree": "0, b'/', 1",
    "fsopen": "b'tmpfs', 0",
    "unshare": "0x10000000",
    "setns": "0, 0",
    "open_by_handle_at": "0, room, 0",
    "kexec_load": "0, 0, 0, 0",
    "init_module": "room, 0, b''",
    "reboot": "0, 0, 0, 0",
    "sethostname": "b'other', 5",
    "swapon": "b'/tmp/x', 0",
    "seccomp": "1, 0, 0",
    "quotactl": "0, b'/', 0, room",
    "pidfd_getfd": "0, 0, 0",
}


@pytest.mark.threat("T-CALL-1")
@pytest.mark.parametrize("name", REFUSED)
def test_refused(value: Callable[[str], Any], name: str) -> None:
    error = value(CALL + f"call({NUMBERS[name]}, {REFUSED[name]})")
    assert errno.errorcode[error] == "EPERM"


@pytest.mark.threat("T-CALL-1")
def test_refused_to_root_too(value_as: Callable[[str], Any]) -> None:
    calls = ", ".join(f"call({NUMBERS[name]}, {REFUSED[name]})" for name in REFUSED)
    errors = value_as(CALL + f"[{calls}]")
    assert {errno.errorcode[error] for error in errors} == {"EPERM"}


@pytest.mark.threat("T-CALL-2")
@pytest.mark.parametrize("kind", NAMESPACES)
def test_no_new_namespace_by_clone(value_as: Callable[[str], Any], kind: str) -> None:
    code = f"""
import os
result = call({NUMBERS["clone"]}, {NAMESPACES[kind]} | 17, 0, 0, 0, 0)
{{os.getpid(): result}}[os.getpid()]
"""
    assert value_as(CALL + code) == errno.EPERM


@pytest.mark.threat("T-CALL-2")
def test_clone3_is_unknown_since_its_flags_cannot_be_read(value: Callable[[str], Any]) -> None:
    assert value(CALL + f"call({NUMBERS['clone3']}, room, 88)") == errno.ENOSYS


@pytest.mark.threat("T-CALL-3")
def test_unknown_calls_are_unknown(value: Callable[[str], Any]) -> None:
    assert value(CALL + "call(2000)") == errno.ENOSYS


@pytest.mark.threat("T-CALL-3")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86-64 has these other interfaces")
def test_other_interfaces_of_the_kernel_are_unknown(value_as: Callable[[str], Any]) -> None:
    """The calls' numbers of x32 and of i386 (int 0x80) would slip past a list of ours."""
    code = """
import mmap
page = mmap.mmap(-1, 4096, prot=7)
page.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")  # mov eax, 20 (getpid); int 0x80; ret
function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
[call(0x40000000 | 39), function()]
"""
    assert value_as(CALL + code) == [errno.ENOSYS, -errno.ENOSYS]


FORBIDDEN_ON_I386 = {
    "mount": 21, "umount2": 52, "ptrace": 26, "reboot": 88, "init_module": 128, "pivot_root": 217,
    "kexec_load": 283, "keyctl": 288, "unshare": 310, "perf_event_open": 336, "clock_settime": 264,
    "open_by_handle_at": 342, "setns": 346, "process_vm_readv": 347, "bpf": 357, "socket": 359,
    "userfaultfd": 374, "io_uring_setup": 425, "clone3": 435,
}  # fmt: skip


@pytest.mark.threat("T-CALL-3")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86-64 has these other interfaces")
def test_what_is_refused_is_unknown_to_other_interfaces(value_as: Callable[[str], Any]) -> None:
    x32 = [NUMBERS[name] for name in REFUSED] + [512, 520, 521, 539, 540]  # also of x32 alone
    code = f"""
import mmap
def on_i386(number):
    page = mmap.mmap(-1, 4096, prot=7)
    page.write(b"\\x53\\x31\\xdb\\xb8" + number.to_bytes(4, "little") + b"\\xcd\\x80\\x5b\\xc3")
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
answers = {{call(0x40000000 | number, 0, 0, 0) for number in {x32}}}
answers | {{-on_i386(number) for number in {list(FORBIDDEN_ON_I386.values())}}}
"""
    assert value_as(CALL + code) == {errno.ENOSYS}


@pytest.mark.threat("T-CALL-5")
def test_no_rare_protocol_and_no_program_for_sockets(value_as: Callable[[str], Any]) -> None:
    code = """
import socket
def protocol(kind, number):
    try:
        socket.socket(socket.AF_INET, kind, number).close()
    except OSError as failure:
        return failure.errno
    return 0
def attach():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        try:
            end.setsockopt(socket.SOL_SOCKET, 26, bytes(16))
        except OSError as failure:
            return failure.errno
    return 0
rare = {protocol(1, 262), protocol(1, 132), protocol(5, 0), protocol(2, 115), protocol(2, 136)}
(rare, protocol(1, 6), protocol(2, 17), attach())
"""
    allowed = {errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT}
    rare, tcp, udp, attached = value_as(code)
    assert rare <= allowed
    assert (tcp, udp, attached) == (0, 0, errno.EPERM)


@pytest.mark.threat("T-CALL-4")
def test_no_keys_can_be_typed_into_a_terminal(value: Callable[[str], Any]) -> None:
    code = """
import fcntl, os, pty
def attempt(request):
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, request, b"x")
    except OSError as failure:
        return failure.errno
    finally:
        os.close(ours)
        os.close(theirs)
    return 0
[attempt(request) for request in (0x5412, 0x541C, 0x541D, 0x5423)]
"""
    assert value(code) == [errno.EPERM] * 4
