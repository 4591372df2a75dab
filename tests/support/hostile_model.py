"""What a hostile model file would try once it runs code in the process that holds it.

    python -I hostile_model.py FOLDER_OF_LAUNCH ORDER

Raises the walls by the same code as llama.cpp's process, tries, and prints as JSON what came of
each attempt: "" where it succeeded, else the error's name. ORDER is JSON: the process's own, and
what to try it on. Standard library only, and no llama.cpp: it runs wherever tests run.
"""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

MIB = 1024 * 1024
_libc = ctypes.CDLL(None, use_errno=True)
_NO_LIMIT = ctypes.byref((ctypes.c_ulong * 2)(-1, -1))
_SHARED_NOWHERE = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS
_PRIVATE_DOWN = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x100


def attempts(order: dict[str, Any]) -> dict[str, Callable[[], object]]:
    """All attempts by name; the first word says against what."""
    port, outside, folder = order["port"], order["file"], order["folder"]
    victim, new = order["victim"], f"{order['folder']}/new"
    return {
        "network tcp": lambda: socket.create_connection(("127.0.0.1", port), 2),
        "network elsewhere": lambda: socket.create_connection(("192.0.2.1", 80), 2),
        "network udp": lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)),
        "network unix": lambda: socket.socket(socket.AF_UNIX).connect(order["socket"]),
        "network netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "network listener": lambda: socket.socket(fileno=order["listener"]).connect(
            ("127.0.0.1", port)
        ),
        "write new": lambda: os.close(os.open(new, os.O_WRONLY | os.O_CREAT)),
        "write over": lambda: os.close(os.open(outside, os.O_WRONLY)),
        "write model": lambda: os.close(os.open(order["model"], os.O_WRONLY)),
        "write truncate": lambda: os.truncate(outside, 0),
        "write truncate by reading": lambda: os.close(os.open(outside, os.O_RDONLY | os.O_TRUNC)),
        "write truncate by asking": lambda: os.close(os.open(outside, 3 | os.O_TRUNC)),
        "write truncate model": lambda: os.close(os.open(order["model"], os.O_TRUNC)),
        "write unlink": lambda: os.unlink(outside),
        "write rename": lambda: os.rename(outside, new),
        "write link": lambda: os.link(outside, new),
        "write symlink": lambda: os.symlink(outside, new),
        "write mkdir": lambda: os.mkdir(new),
        "write mkfifo": lambda: os.mkfifo(new),
        "write mode": lambda: os.chmod(outside, 0o777),
        "write mode of model": lambda: _by_descriptor(
            order["model"], lambda fd: os.fchmod(fd, 0o666)
        ),
        "write owner": lambda: os.chown(outside, -1, os.getgid()),
        "write times": lambda: os.utime(outside, (0, 0)),
        "write attribute": lambda: os.setxattr(outside, "user.x", b"1"),
        "run program": lambda: os.execv("/bin/true", ["true"]),
        "run child": _fork,
        "run spawned": lambda: os.posix_spawn("/bin/true", ["true"], {}),
        "run descriptor": lambda: _by_descriptor(
            os.path.realpath("/bin/true"), lambda fd: os.execve(fd, ["true"], {})
        ),
        "read secret": lambda: Path(order["secret"]).read_bytes(),
        "read folder": lambda: os.listdir(folder),
        "read shadow": lambda: Path("/etc/shadow").read_bytes(),
        "read accounts": lambda: Path("/etc/passwd").read_bytes(),
        "read environment": lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
        "read memory": lambda: os.close(os.open(f"/proc/{os.getppid()}/mem", os.O_RDONLY)),
        "read processes": lambda: os.listdir("/proc"),
        "processes kill": lambda: os.kill(victim, 9),
        "processes signal by pipe": lambda: _signal_by_pipe(victim),
        "processes limits": lambda: resource.prlimit(victim, resource.RLIMIT_CPU, (1, 1)),
        "processes priority": lambda: os.setpriority(os.PRIO_PROCESS, victim, 19),
        "processes affinity": lambda: os.sched_setaffinity(victim, {0}),
        "processes trace": lambda: _called("ptrace", 16, victim, 0, 0),
        "memory private": lambda: mmap.mmap(-1, order["too_much"], mmap.MAP_PRIVATE),
        "memory shared": lambda: mmap.mmap(-1, order["too_much"], _SHARED_NOWHERE),
        "memory growing": lambda: mmap.mmap(-1, order["too_much"], _PRIVATE_DOWN),
        "memory file": lambda: os.ftruncate(os.memfd_create("x"), order["too_much"]),
        "memory system v": lambda: _called("shmget", 0, 64 * MIB, 0o1600),
        "memory heap": lambda: bytearray(order["too_much"]),
        "limits raised": lambda: _called("setrlimit", resource.RLIMIT_DATA, _NO_LIMIT),
    }


def _by_descriptor(path: str, action: Callable[[int], object]) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        action(fd)
    finally:
        os.close(fd)


def _fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _signal_by_pipe(pid: int) -> None:
    """Have the kernel send SIGKILL when a pipe becomes readable."""
    reading, writing = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETOWN, pid)
    fcntl.fcntl(reading, fcntl.F_SETSIG, 9)
    fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    os.write(writing, b"x")


def _called(name: str, *arguments: Any) -> None:
    ctypes.set_errno(0)
    if getattr(_libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except MemoryError:
        return "MemoryError"
    except OSError as failure:
        return errno.errorcode.get(failure.errno or 0, str(failure))
    return ""


def _expect_reach(order: dict[str, Any]) -> None:
    """See that without the walls the same process reaches what it is to be kept from."""
    os.kill(order["victim"], 0)
    Path(order["secret"]).read_bytes()
    os.utime(order["file"])
    socket.create_connection(("127.0.0.1", order["port"]), 2).close()
    with socket.socket(socket.AF_UNIX) as service:
        service.connect(order["socket"])


def main() -> None:
    """Raise the walls, try all, tell."""
    folder, order = sys.argv[1], json.loads(sys.argv[2])
    sys.path.insert(0, folder)
    import launch  # type: ignore[import-not-found]

    order["parent"] = os.getppid()
    _expect_reach(order)
    tries = attempts(order)
    stand = launch._raise_walls(order, folder)
    print(json.dumps({"walls": stand, **{name: _outcome(one) for name, one in tries.items()}}))


if __name__ == "__main__":
    main()
