"""Live fork, in the kernel: a copy of this process becomes a kernel of another sandbox.

The agent's request comes with descriptors: a door, and the copy's kernel socket, standard output,
standard error and report. Through the door come the other sandbox's namespaces (user first), once
they are there, and a stand-in: a socket whose other end is closed; if the door closes before,
nothing comes of the copy. The copy says on the report what it
could not take along, and goes on once the server has checked it. Whatever a hostile program makes
of this, it can do no more than the seccomp filter's listener and that check allow.
"""

import ctypes
import fcntl
import gc
import json
import os
import random
import re
import signal
import socket
import stat
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from capibara6_guest import python_fork

NAMESPACES: Final = 7
FDS: Final = 5
_COPIED_BYTES_MAX: Final = 64 * 1024 * 1024  # of a file that has no name any more
_NOTES_MAX: Final = 20
_HOME: Final = "/home/user"
_SHARED_MAPPING: Final = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) (r..s)", re.MULTILINE)
_MAP_SHARED, _MAP_PRIVATE, _MAP_FIXED, _MAP_ANONYMOUS = 0x01, 0x02, 0x10, 0x20
_SHM: Final = "/dev/shm"  # noqa: S108 - this sandbox's

Enter = Callable[[list[int]], None]


class _File(NamedTuple):
    fd: int
    path: str
    flags: int
    offset: int
    regular: bool


# Sockets in the place of what earlier copies could not take along: to be told once.
_stand_ins: set[str] = set()


def carry(fds: list[int], own: int, enter: Enter, *, tasks: bool) -> int:
    """Fork into another sandbox: return -1 here, and the kernel socket in the copy.

    Args:
        fds: as above; closed here.
        own: this kernel's socket, which the copy does not need.
        enter: joins namespaces and gives up what capabilities that brings.
        tasks: whether asyncio tasks run, which the copy does not have.
    """
    notes = _lost_threads(tasks=tasks)
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        for fd in fds:
            os.close(fd)
        return -1
    try:
        return _become_copy(fds, own, enter, notes)
    except BaseException:  # noqa: BLE001 - whatever happens, the copy must not go on in the origin
        sys.excepthook(*sys.exc_info())
        os._exit(1)


def _become_copy(fds: list[int], own: int, enter: Enter, notes: list[str]) -> int:
    door, kernel, out, err, report = fds
    cwd, files, mappings = os.getcwd(), _open_files(keep=set(fds) | {0, 1, 2}), _shared_mappings()
    *namespaces, stand_in = _await_namespaces(door)
    enter(namespaces)
    if os.fork():
        os._exit(0)  # only a child is born into the other PID namespace
    os.setsid()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.dup2(out, 1)
    os.dup2(err, 2)
    for fd in (*namespaces, out, err):
        os.close(fd)
    notes += _separate_files(files, own, stand_in)
    notes += _separate_mappings(mappings)
    notes += _change_directory(cwd)
    _renew()
    with socket.socket(fileno=report) as server:
        server.send(json.dumps({"notes": notes[:_NOTES_MAX]}).encode())
        if not server.recv(1):
            os._exit(1)
    return kernel


def _await_namespaces(door: int) -> list[int]:
    with socket.socket(fileno=door) as server:
        _, received, _, _ = socket.recv_fds(server, 1, NAMESPACES + 1)
    if len(received) != NAMESPACES + 1:
        os._exit(1)  # there is no other sandbox
    return received


def _lost_threads(*, tasks: bool) -> list[str]:
    main = threading.main_thread()
    names = [thread.name for thread in threading.enumerate() if thread is not main]
    count = len(os.listdir("/proc/self/task")) - 1
    lost = names or ([f"{count} threads"] if count > 0 else [])
    notes = [f"threads: {', '.join(lost)}"] if lost else []
    return [*notes, "asyncio tasks"] if tasks else notes


def _open_files(keep: set[int]) -> list[_File]:
    files = []
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd in keep:
            continue
        try:
            path, flags = os.readlink(f"/proc/self/fd/{fd}"), fcntl.fcntl(fd, fcntl.F_GETFL)
            # Namespaces call themselves regular files, but have no path.
            regular = stat.S_ISREG(os.fstat(fd).st_mode) and path.startswith("/")
        except OSError:  # the listing's own
            continue
        offset = os.lseek(fd, 0, os.SEEK_CUR) if regular else 0
        files.append(_File(fd, path, flags, offset, regular))
    return files


def _separate_files(files: list[_File], own: int, stand_in: int) -> list[str]:
    """Give every open file of the origin's its like here, under the same number.

    What has none becomes the stand-in: numbers that Python objects hold must not come to mean
    something else.
    """
    notes = []
    silent = {*_stand_ins, os.readlink(f"/proc/self/fd/{own}")}
    _stand_ins.add(os.readlink(f"/proc/self/fd/{stand_in}"))
    for file in files:
        fd = _reopen(file)
        if fd is None:
            os.dup2(stand_in, file.fd, inheritable=False)
            if file.path not in silent and "anon_inode" not in file.path:
                notes.append(f"open: {file.path[:200]}")
        else:
            os.dup2(fd, file.fd, inheritable=False)
            os.close(fd)
    os.close(stand_in)
    return notes


def _reopen(file: _File) -> int | None:
    flags = file.flags & ~(os.O_CREAT | os.O_EXCL | os.O_TRUNC)
    if file.path.startswith("/dev/"):
        flags |= os.O_NOCTTY
    elif not file.regular:
        return None
    try:
        if file.regular and file.path.endswith(" (deleted)"):
            fd = _copy_of(file.fd)
        else:
            fd = os.open(file.path, flags | os.O_CLOEXEC)
        if fd is not None and file.regular:
            os.lseek(fd, file.offset, os.SEEK_SET)
    except OSError:
        return None
    return fd


def _copy_of(fd: int) -> int | None:
    size = os.fstat(fd).st_size
    if size > _COPIED_BYTES_MAX:
        return None
    with tempfile.TemporaryFile(buffering=0) as copy:  # of this sandbox, which the server can see
        copy.write(os.pread(fd, size, 0))
        return os.dup(copy.fileno())


def _shared_mappings() -> list[tuple[int, int, str]]:
    """Return what is mapped shared: address, length, permissions."""
    found = []
    for first, last, permissions in _SHARED_MAPPING.findall(Path("/proc/self/maps").read_bytes()):
        start = int(first, 16)
        found.append((start, int(last, 16) - start, permissions.decode()))
    return found


def _separate_mappings(mappings: list[tuple[int, int, str]]) -> list[str]:
    """Replace shared mappings by copies that only this process and its children share.

    They lie in this sandbox's /dev/shm; what has no room there becomes this process's own.
    """
    notes = []
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
    for start, length, permissions in mappings:
        content = ctypes.string_at(start, length)
        with tempfile.TemporaryFile(dir=_SHM, buffering=0) as room:
            flags, fd = _MAP_SHARED | _MAP_FIXED, room.fileno()
            try:
                os.posix_fallocate(fd, 0, length)
            except OSError:
                flags, fd = _MAP_PRIVATE | _MAP_FIXED | _MAP_ANONYMOUS, -1
                notes.append(f"shared memory: {length:,} bytes are no longer shared")
            if libc.mmap(start, length, 3, flags, fd, 0) != start:
                raise OSError(ctypes.get_errno(), "a shared mapping could not be separated")
        ctypes.memmove(start, content, length)
        wanted = sum(bit for bit, mark in ((1, "r"), (2, "w"), (4, "x")) if mark in permissions)
        if libc.mprotect(ctypes.c_void_p(start), ctypes.c_size_t(length), wanted) != 0:
            raise OSError(ctypes.get_errno(), "a shared mapping could not be protected again")
    return notes


def _change_directory(cwd: str) -> list[str]:
    try:
        os.chdir(cwd)
    except OSError:
        os.chdir(_HOME)
        return [f"working directory: {cwd[:200]}"]
    return []


def _renew() -> None:
    """Draw other random numbers than the origin, from generators of the user's own too."""
    kinds: tuple[type, ...] = (random.Random,)
    numpy_random: Any = sys.modules.get("numpy.random")
    if numpy_random is not None:
        kinds += (numpy_random.RandomState, numpy_random.Generator)
    python_fork.reseed_also(
        [
            candidate
            for candidate in gc.get_objects()
            if isinstance(candidate, kinds) and not isinstance(candidate, random.SystemRandom)
        ]
    )
