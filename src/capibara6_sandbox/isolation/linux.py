"""System calls that Python's standard library lacks, as plain functions that raise OSError.

Standard library only: this module also runs inside zygotes, under the template's own Python.
Sources: the man pages of each call; constants from the kernel's uapi headers.
"""

import ctypes
import os
from typing import Final

from capibara6_sandbox.isolation.libc import MACHINE, checked, libc

# PyDLL keeps the interpreter's lock through the call, as a fork-like call needs it.
_pythonapi = ctypes.PyDLL(None, use_errno=True)

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWCGROUP: Final = 0x02000000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000
CLONE_PIDFD: Final = 0x00001000

NAMESPACES: Final = {
    "mount": CLONE_NEWNS,
    "cgroup": CLONE_NEWCGROUP,
    "uts": CLONE_NEWUTS,
    "ipc": CLONE_NEWIPC,
    "user": CLONE_NEWUSER,
    "pid": CLONE_NEWPID,
    "network": CLONE_NEWNET,
}

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_NAME: Final = 15
PR_CAPBSET_DROP: Final = 24
PR_SET_NO_NEW_PRIVS: Final = 38
PR_SET_SECUREBITS: Final = 28
SECBIT_NO_SETUID_FIXUP: Final = 4  # another user keeps the capabilities
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4

_SECCOMP_SET_MODE_FILTER: Final = 1
_SECCOMP_FILTER_FLAG_NEW_LISTENER: Final = 8
_LINUX_CAPABILITY_VERSION_3: Final = 0x20080522

# x86-64 and the generic table that arm64 uses; the newer numbers are the same everywhere.
_SYS_CAPSET = {"x86_64": 126, "aarch64": 91}
_SYS_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SYS_CLONE3: Final = 435
_SYS_OPENAT2: Final = 437

_RESOLVE_NO_XDEV: Final = 0x01
_RESOLVE_NO_MAGICLINKS: Final = 0x02
_RESOLVE_NO_SYMLINKS: Final = 0x04
_RESOLVE_BENEATH: Final = 0x08


class _CloneArgs(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            "flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size",
            "tls", "set_tid", "set_tid_size", "cgroup",
        )
    )  # fmt: skip


def clone3(flags: int) -> tuple[int, int]:
    """Fork into new namespaces: return (0, -1) in the child, (pid, pidfd) in the parent.

    The caller must be single-threaded. Python's own fork hooks run as in os.fork().

    Raises:
        OSError: the kernel refused, in the parent.
    """
    pidfd = ctypes.c_int(-1)
    arguments = _CloneArgs(flags=flags | CLONE_PIDFD, pidfd=ctypes.addressof(pidfd), exit_signal=17)
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = _pythonapi.syscall(_SYS_CLONE3, ctypes.byref(arguments), ctypes.sizeof(arguments))
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
        return 0, -1
    number = ctypes.get_errno()
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(number, f"clone3: {os.strerror(number)}")
    return pid, pidfd.value


def unshare(flags: int) -> None:
    """Move the calling process into new namespaces."""
    checked(libc.unshare(flags), "unshare")


def setns(fd: int, flags: int) -> None:
    """Join namespaces: of a process (`fd` a pidfd) or one named by a /proc/PID/ns file."""
    checked(libc.setns(fd, flags), "setns")


class _OpenHow(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("flags", "mode", "resolve"))


def open_beneath(folder: int, path: str, flags: int, mode: int = 0) -> int:
    """Open a path that stays below an open folder and passes no link of any kind: openat2(2).

    Raises:
        OSError: EXDEV where it leads out, ELOOP at a link, and what open(2) raises.
    """
    resolve = _RESOLVE_NO_XDEV | _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS | _RESOLVE_BENEATH
    how = _OpenHow(flags=flags | os.O_CLOEXEC, mode=mode, resolve=resolve)
    raw = os.fsencode(path)
    fd = libc.syscall(_SYS_OPENAT2, folder, raw, ctypes.byref(how), ctypes.sizeof(how))
    return checked(fd, path)


def sync_file_system(fd: int) -> None:
    """Write all of the file system that a descriptor lies on to its disk, and wait for it."""
    checked(libc.syncfs(fd), "syncfs")


def set_host_name(name: str) -> None:
    """sethostname(2), in the current UTS namespace."""
    raw = name.encode()
    checked(libc.sethostname(raw, len(raw)), "sethostname")


def prctl(option: int, argument: int = 0) -> None:
    """Change a property of the process, with one integer argument."""
    result = libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0)
    checked(result, f"prctl {option}")


def set_process_name(name: str) -> None:
    """Set the name that ps shows, at most 15 bytes."""
    checked(libc.prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0), "prctl PR_SET_NAME")


def hide_arguments(title: str, *, with_environment: bool) -> None:
    """Overwrite the command line that /proc shows, and the environment if it names host paths too.

    Python has copied both by now; C code that reads the environment finds it empty afterwards.
    Addresses: proc(5), /proc/PID/stat, fields 48 to 51.
    """
    with open("/proc/self/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    arguments, arguments_end, environment, environment_end = (int(f) for f in fields[45:49])
    ctypes.memset(arguments, 0, arguments_end - arguments)
    if with_environment:
        ctypes.memset(environment, 0, environment_end - environment)
    raw = title.encode()[: arguments_end - arguments - 1]
    ctypes.memmove(arguments, raw, len(raw))


def set_capabilities(allowed: frozenset[int]) -> None:
    """Reduce effective, permitted and bounding sets to `allowed`; clear inheritable and ambient."""
    for capability in range(64):
        if capability not in allowed:
            try:
                prctl(PR_CAPBSET_DROP, capability)
            except OSError:  # EINVAL: beyond the kernel's last capability
                break
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    bits = sum(1 << capability for capability in allowed)
    header = (ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0)
    low, high = bits & 0xFFFFFFFF, bits >> 32
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    checked(libc.syscall(_SYS_CAPSET[MACHINE], header, data), "capset")


class _SockFprog(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install_seccomp_filter(program: bytes) -> None:
    """Install a BPF program (struct sock_filter[]) for this thread and all it will start."""
    fprog = _SockFprog(len(program) // 8, program)
    result = libc.syscall(_SYS_SECCOMP[MACHINE], _SECCOMP_SET_MODE_FILTER, 0, ctypes.byref(fprog))
    checked(result, "seccomp")


def install_asking_filter(program: bytes) -> int:
    """Install a BPF program that leaves calls to a listener; return the listener's descriptor."""
    fprog = _SockFprog(len(program) // 8, program)
    result = libc.syscall(
        _SYS_SECCOMP[MACHINE],
        _SECCOMP_SET_MODE_FILTER,
        _SECCOMP_FILTER_FLAG_NEW_LISTENER,
        ctypes.byref(fprog),
    )
    return checked(result, "seccomp with a listener")


def close_all_except(keep: set[int]) -> None:
    """Close every descriptor but those in `keep`."""
    start = 0
    for fd in sorted(keep):
        if fd > start:
            os.closerange(start, fd)
        start = fd + 1
    os.closerange(start, 1 << 20)
