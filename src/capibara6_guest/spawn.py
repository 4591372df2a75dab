"""Starting programs as a user of the sandbox, inside the user's resource limits."""

import errno
import fcntl
import os
import resource
import signal
import subprocess
import termios
import weakref
from collections.abc import Mapping, Sequence
from typing import IO, Final

from capibara6_guest.users import User

_cgroup_fds: tuple[int, ...] = ()
_rlimits: tuple[tuple[int, int], ...] = ()

_spawned: "weakref.WeakValueDictionary[int, subprocess.Popen[bytes]]"
_spawned = weakref.WeakValueDictionary()

_DEAFENED: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)

# Of children that have no other descriptor: a pipe's writing end, which `reap` closes.
_exits: dict[int, int] = {}

Stream = int | IO[bytes] | None


def limit_spawned_to(cgroup_fds: tuple[int, ...], rlimits: Sequence[tuple[int, int]]) -> None:
    """Set what every spawned program takes on before it runs.

    Args:
        cgroup_fds: open `cgroup.procs` files, which it joins.
        rlimits: resources and their ceilings.
    """
    global _cgroup_fds, _rlimits
    _cgroup_fds = cgroup_fds
    _rlimits = tuple((number, ceiling) for number, ceiling in rlimits)


def spawn(
    argv: Sequence[str],
    *,
    user: User,
    cwd: str,
    env: Mapping[str, str],
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = subprocess.PIPE,
    stderr: Stream = subprocess.PIPE,
    pass_fds: Sequence[int] = (),
    terminal: bool = False,
    reserved_bytes: int = 0,
) -> "subprocess.Popen[bytes]":
    """Start `argv` as `user`, leader of a session of its own, with exactly `env`.

    With `terminal`, standard input is a terminal and becomes the session's own. `reserved_bytes`
    are addresses that the program reserves and never fills, though RLIMIT_DATA counts them.

    Raises:
        OSError: the program or the working directory does not exist or may not be used.
    """
    privileged = os.getuid() == 0
    child = subprocess.Popen(  # noqa: S603 - running what the caller asks is the purpose
        argv,
        cwd=cwd,
        env=dict(env),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=pass_fds,
        start_new_session=True,
        user=user.uid if privileged else None,
        group=user.gid if privileged else None,
        extra_groups=[user.gid] if privileged else None,
        # The agent has a single thread, so running Python between fork and exec is safe.
        preexec_fn=lambda: _prepare(reserved_bytes, terminal=terminal),
    )
    _spawned[child.pid] = child
    return child


def heed_signals() -> None:
    """Heed the signals again that whoever started us may have told us to ignore.

    A shell's `&` makes a program deaf to SIGINT and SIGQUIT, `nohup` to SIGHUP, and all that it
    starts inherits that.
    """
    for number in _DEAFENED:  # few: this runs for each program
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def open_exit(child: "subprocess.Popen[bytes]") -> int:
    """Return a descriptor, the caller's to close, that can be read once a child has ended.

    A pidfd; where the kernel has none, as gVisor's, a pipe that `reap` closes.
    """
    try:
        return os.pidfd_open(child.pid)
    except OSError as cause:
        if cause.errno != errno.ENOSYS:
            raise
    reading, writing = os.pipe2(os.O_CLOEXEC)
    if child.returncode is None:
        _exits[child.pid] = writing
    else:
        os.close(writing)
    return reading


def reap() -> None:
    """Collect every ended child: ours, whose `returncode` is set, and the orphans of a PID 1."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid in _exits:
            os.close(_exits.pop(pid))
        child = _spawned.pop(pid, None)
        if child is not None and child.returncode is None:
            child.returncode = os.waitstatus_to_exitcode(status)


def join_limits(reserved_bytes: int = 0) -> None:
    """Take on what every spawned program does; in a fork of the agent."""
    for fd in _cgroup_fds:
        os.write(fd, b"0")
    for number, limit in _rlimits:
        ceiling = limit + reserved_bytes if number == resource.RLIMIT_DATA else limit
        resource.setrlimit(number, (ceiling, ceiling))


def _prepare(reserved_bytes: int, *, terminal: bool) -> None:
    heed_signals()
    join_limits(reserved_bytes)
    if terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
