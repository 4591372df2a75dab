"""Walls around the process that holds a model: what a hostile GGUF file would find.

No new connection of any kind, no other program, no file but to read, no privileges, bounded memory
and processor. Each wall that stands is named; the platform says which do not.
Standard library only. Sources: the kernel's userspace-api/landlock and
seccomp_filter.
"""

import ctypes
import os
import resource
import signal
import struct
from typing import Final

_libc = ctypes.CDLL(None, use_errno=True)

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_CAPABILITIES_MAX: Final = 64
_CAPABILITY_VERSION_3: Final = 0x20080522
_CLONE_NEWNET: Final = 0x40000000

_LANDLOCK_CREATE: Final = 444
_LANDLOCK_ADD: Final = 445
_LANDLOCK_RESTRICT: Final = 446
_WRITE_FILE: Final = 1 << 1
_READ_FILE: Final = 1 << 2
_READ: Final = _READ_FILE | 1 << 3  # and list folders
_FILES_HANDLED: Final = (1 << 13) - 1  # all that ABI 1 knows
_O_PATH: Final = os.O_PATH | os.O_CLOEXEC

_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | 1  # EPERM
_UNKNOWN: Final = 0x00050000 | 38  # ENOSYS
_X32_BIT: Final = 0x40000000
# socket, connect, bind; execve, execveat, fork, vfork; kill and its kin; ptrace, process_vm_*,
# pidfd_open, pidfd_getfd; mounts and roots; unshare, setns; keys; bpf, perf; io_uring (which does
# all that without a call); userfaultfd; modules; kexec. (asyncio wakes itself by a socketpair.)
_REFUSED: Final = {
    "x86_64": (
        41, 42, 49, 59, 322, 57, 58, 62, 200, 234, 129, 297, 424, 101, 310, 311, 434, 438,
        165, 166, 155, 161, 428, 429, 430, 431, 432, 442, 272, 308, 248, 249, 250, 321, 298,
        425, 426, 427, 323, 175, 313, 246, 320,
    ),
    "aarch64": (
        198, 203, 200, 221, 281, 129, 130, 131, 138, 240, 424, 117, 270, 271, 434, 438,
        40, 39, 41, 51, 428, 429, 430, 431, 432, 442, 97, 268, 217, 218, 219, 280, 241,
        425, 426, 427, 282, 105, 273, 104, 294,
    ),
}  # fmt: skip
_CLONE: Final = {"x86_64": 56, "aarch64": 220}
_CLONE3: Final = 435  # its flags lie in memory, where no filter looks; libc then calls clone
_CLONE_THREAD: Final = 0x10000
_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}
_AUDIT: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def die_with(parent: int) -> None:
    """End by SIGKILL when the platform's process ends, however it ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)


def bound(data_bytes: int, threads: int) -> None:
    """Bound memory (but for the model's own file, which is mapped), files, processes, processor."""
    _limit(resource.RLIMIT_DATA, data_bytes)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, 256)
    _limit(resource.RLIMIT_FSIZE, 16 * 1024 * 1024)  # the log
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, processors[-threads:])


def leave_network() -> bool:
    """Enter a network namespace without anything in it, where one may; what is open stays open."""
    return bool(_libc.unshare(_CLONE_NEWNET) == 0)


def drop_privileges() -> None:
    """Keep no capability, in no set, for good."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)
    if os.geteuid() == 0:
        for capability in range(_CAPABILITIES_MAX):
            _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # EINVAL beyond the last
    header = struct.pack("<II", _CAPABILITY_VERSION_3, 0)
    if _libc.capset(header, bytes(24)) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def read_only(folders: list[str]) -> bool:
    """Open files below `folders` to read, and nothing else; False where Landlock is not offered."""
    if _libc.syscall(_LANDLOCK_CREATE, None, 0, 1) < 1:
        return False
    handled = struct.pack("<Q", _FILES_HANDLED)
    ruleset = _libc.syscall(_LANDLOCK_CREATE, handled, ctypes.c_size_t(len(handled)), 0)
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "landlock_create_ruleset")
    for folder in folders:
        _allow_reading(ruleset, folder)
    if _libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) != 0:
        raise OSError(ctypes.get_errno(), "landlock_restrict_self")
    os.close(ruleset)
    return True


def _allow_reading(ruleset: int, path: str) -> None:
    try:
        fd = os.open(path, _O_PATH)
    except FileNotFoundError:
        return
    access = _READ if os.path.isdir(path) else _READ_FILE
    if path == os.devnull:
        access |= _WRITE_FILE
    rule = struct.pack("<Qi", access, fd)
    if _libc.syscall(_LANDLOCK_ADD, ruleset, 1, rule, 0) != 0:
        raise OSError(ctypes.get_errno(), "landlock_add_rule", path)
    os.close(fd)


def refuse_calls() -> bool:
    """Refuse system calls that a model's server never needs; False on other machines."""
    machine = os.uname().machine
    if machine not in _REFUSED:
        return False
    program = _filter(machine)
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if _libc.syscall(_SECCOMP[machine], 1, 1, header) != 0:  # of all threads
        raise OSError(ctypes.get_errno(), "seccomp")
    return True


def _filter(machine: str) -> bytes:
    """Refuses another architecture, x32, what is listed, and any clone that makes no thread.

    A line is code, steps if true, steps if false, value (linux/filter.h).
    """
    refused = _REFUSED[machine]
    last = len(refused) + 11  # the line that refuses
    lines = [
        (0x20, 0, 0, 4),  # the architecture
        (0x15, 0, last - 2, _AUDIT[machine]),
        (0x20, 0, 0, 0),  # the call's number
        (0x35, last - 4, 0, _X32_BIT),
        *((0x15, last - 5 - place, 0, number) for place, number in enumerate(refused)),
        (0x15, 4, 0, _CLONE3),
        (0x15, 0, 2, _CLONE[machine]),
        (0x20, 0, 0, 16),  # its flags
        (0x45, 0, 3, _CLONE_THREAD),
        (0x06, 0, 0, _ALLOW),
        (0x06, 0, 0, _UNKNOWN),
        (0x06, 0, 0, _ALLOW),
        (0x06, 0, 0, _REFUSE),
    ]
    assert len(lines) == last + 1
    return b"".join(struct.pack("<HBBI", *line) for line in lines)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")
