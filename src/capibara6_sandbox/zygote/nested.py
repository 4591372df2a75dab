"""Making a sandbox that a running Python kernel can enter: the shell of a live fork.

A process can enter a user namespace that its own user made below its own, and a PID namespace below
its own. So the shell is made there, by trusted processes, in the kernel's place:

    nursery ─ builder (ids and rights of the origin's root)
                ├─ in the kernel's PID namespace, as its user: makes all seven namespaces ─ init
                └─ joins six of them ─ agent (the origin's ids, as in every sandbox)

The kernel can enter the seventh too, in which nothing but its own user exists: no right that it
gets there reaches a file or process of anybody else. Standard library only, trusted.
"""

import contextlib
import errno
import os
import signal
import socket
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from capibara6_sandbox.isolation import capabilities, identity, linux
from capibara6_sandbox.isolation.processes import process_id
from capibara6_sandbox.isolation.rootfs import USER_ID
from capibara6_sandbox.zygote import children

# What a kernel joins, in this order: the user namespace gives the right to the others.
JOINED: Final = ("user", "pid", "mnt", "net", "ipc", "uts", "cgroup")
_ALL_NAMESPACES: Final = sum(linux.NAMESPACES.values())
_FDS_MAX: Final = 16
_TOO_DEEP: Final = (
    "no namespaces can be made below its own: forks of forks go 32 deep, of which snapshots of"
    " snapshots take two each; or /proc/sys/user/max_*_namespaces is reached"
)

BecomeAgent = Callable[[int], NoReturn]  # takes a descriptor to hold for as long as it lives


def fork_nested(
    origin: int, kernel: int, become_agent: BecomeAgent, *, privileged: bool
) -> list[int]:
    """Make a sandbox below another one; return the pidfds of init and agent, and its namespaces.

    Args:
        origin: the pidfd of the other one's agent.
        kernel: the pidfd of its kernel that shall be able to enter.
        become_agent: run in the process that becomes the agent.
        privileged: whether sandboxes have ranges of ids.

    Raises:
        OSError: the kernel of Linux refused something, as 32 namespaces below one another.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        if os.fork() == 0:
            ours.close()
            _end_with(lambda: _build(origin, kernel, theirs, become_agent, privileged=privileged))
        theirs.close()
        answer, fds, _, _ = socket.recv_fds(ours, 4096, _FDS_MAX)
    if answer != b"1":
        raise OSError(answer.decode(errors="replace") or "the live fork's builder ended")
    return fds


def _end_with(work: Callable[[], None]) -> NoReturn:
    status = 1
    try:
        children.forget_signals()
        work()
        status = 0
    except BaseException:  # noqa: BLE001 - whatever happens, the fork must not return
        traceback.print_exc()
    finally:
        os._exit(status)


def _build(
    origin: int,
    kernel: int,
    nursery: socket.socket,
    become_agent: BecomeAgent,
    *,
    privileged: bool,
) -> None:
    try:
        linux.setns(kernel, linux.CLONE_NEWPID)
        _join_user(origin)
        if privileged:
            identity.become(0)
        fds = _fork_maker(kernel, privileged=privileged)
        init, alive, *namespaces = fds
        for namespace in namespaces[1:]:
            linux.setns(namespace, 0)
        pid = os.fork()
        if pid == 0:
            nursery.close()
            os.close(init)
            become_agent(alive)
        agent = os.pidfd_open(pid)
    except OSError as cause:
        nursery.send(str(cause).encode()[:4096])
        os._exit(1)  # the server is told
    socket.send_fds(nursery, [b"1"], [init, agent, *namespaces])


def _join_user(process: int) -> None:
    theirs = os.stat(f"/proc/{process_id(process)}/ns/user").st_ino
    if theirs != os.stat("/proc/self/ns/user").st_ino:
        linux.setns(process, linux.CLONE_NEWUSER)


def _fork_maker(kernel: int, *, privileged: bool) -> list[int]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        if os.fork() == 0:
            ours.close()
            _end_with(lambda: _make_namespaces(kernel, theirs, privileged=privileged))
        theirs.close()
        answer, fds, _, _ = socket.recv_fds(ours, 4096, _FDS_MAX)
    if answer != b"1":
        raise OSError(answer.decode(errors="replace") or "the live fork's maker ended")
    return fds


def _make_namespaces(kernel: int, builder: socket.socket, *, privileged: bool) -> None:
    """Make the namespaces as the user's, and their init; hand both over."""
    try:
        _join_user(kernel)
        if privileged:
            os.setresgid(-1, USER_ID, -1)
            os.setresuid(-1, USER_ID, -1)
        linux.prctl(linux.PR_SET_DUMPABLE, 1)  # or its files in /proc were not ours to write
        gate_reading, gate_writing = os.pipe2(os.O_CLOEXEC)
        alive_reading, alive_writing = os.pipe2(os.O_CLOEXEC)
        pid, pidfd = _clone()
        if pid == 0:
            _become_init(gate_reading, alive_reading)
        if privileged:
            with contextlib.suppress(OSError):  # nested again, there is no root, nor need of one
                os.setresuid(-1, 0, -1)
        folder = Path(f"/proc/{process_id(pidfd)}")
        (folder / "setgroups").write_text("deny")
        for name in ("uid_map", "gid_map"):
            (folder / name).write_text(f"{USER_ID} {USER_ID} 1")
        namespaces = [os.open(folder / "ns" / name, os.O_RDONLY | os.O_CLOEXEC) for name in JOINED]
    except OSError as cause:
        builder.send(str(cause).encode()[:4096])
        os._exit(1)
    os.write(gate_writing, b"1")
    socket.send_fds(builder, [b"1"], [pidfd, alive_writing, *namespaces])


def _clone() -> tuple[int, int]:
    try:
        return linux.clone3(_ALL_NAMESPACES)
    except OSError as cause:
        raise OSError(_TOO_DEEP) if cause.errno == errno.ENOSPC else cause from None


def _become_init(gate: int, alive: int) -> NoReturn:
    """Wait, as the first process of a PID namespace, until the agent has ended."""
    try:
        if os.read(gate, 1):
            linux.prctl(linux.PR_SET_DUMPABLE, 0)
            linux.set_process_name("c6-init")
            linux.close_all_except({0, 1, 2, alive})
            linux.set_capabilities(capabilities.NONE)
            linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the orphans' ends need no attention
            os.read(alive, 1)
    finally:
        os._exit(0)
