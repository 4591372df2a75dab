"""Walls around the process that holds a model: what a hostile GGUF file would find.

No new connection of any kind, no other program, no file but to read, no privileges, bounded memory
and processor. Each wall that stands is named; the platform says which do not.
System calls are `calls`'s. Standard library only. Source: the kernel's userspace-api/landlock.
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
_TRUNCATE: Final = 1 << 14
# All that each version of Landlock knows of files, from the first that knows it.
_FILES_HANDLED: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_O_PATH: Final = os.O_PATH | os.O_CLOEXEC


def die_with(parent: int) -> None:
    """End by SIGKILL when the platform's process ends, however it ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)


def bound(data_bytes: int, threads: int) -> None:
    """Bound memory (but for the model's own file, which is mapped), files, processes, processor."""
    _limit(resource.RLIMIT_DATA, data_bytes)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_MEMLOCK, 0)
    _limit(resource.RLIMIT_NOFILE, 256)
    _limit(resource.RLIMIT_FSIZE, 16 * 1024 * 1024)  # the log
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, processors[-threads:])


def leave_network() -> bool:
    """Enter a network namespace without anything in it, where one may; what is open stays open."""
    return bool(_libc.unshare(_CLONE_NEWNET) == 0)


def drop_privileges() -> None:
    """Keep no capability, in no set, for good."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)  # Landlock and seccomp ask for it
    _prctl(_PR_SET_DUMPABLE, 0)
    if os.geteuid() == 0:
        for capability in range(_CAPABILITIES_MAX):
            _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # EINVAL beyond the last
    header = struct.pack("<II", _CAPABILITY_VERSION_3, 0)
    if _libc.capset(header, bytes(24)) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def read_only(folders: list[str]) -> bool:
    """Open files below `folders` to read, and nothing else; False where Landlock is not offered."""
    abi = _libc.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if abi < 1:
        return False
    handled = max(bits for since, bits in _FILES_HANDLED.items() if since <= abi)
    wanted = struct.pack("<Q", handled)
    ruleset = _libc.syscall(_LANDLOCK_CREATE, wanted, ctypes.c_size_t(len(wanted)), 0)
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "landlock_create_ruleset")
    for folder in folders:
        _allow_reading(ruleset, folder, handled)
    if _libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) != 0:
        raise OSError(ctypes.get_errno(), "landlock_restrict_self")
    os.close(ruleset)
    return True


def _allow_reading(ruleset: int, path: str, handled: int) -> None:
    try:
        fd = os.open(path, _O_PATH)
    except FileNotFoundError:
        return
    access = _READ if os.path.isdir(path) else _READ_FILE
    if path == os.devnull:
        access |= _WRITE_FILE | (_TRUNCATE & handled)
    rule = struct.pack("<Qi", access, fd)
    if _libc.syscall(_LANDLOCK_ADD, ruleset, 1, rule, 0) != 0:
        raise OSError(ctypes.get_errno(), "landlock_add_rule", path)
    os.close(fd)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")
