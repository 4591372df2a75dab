"""A child process that outlives us by design: start it detached, ask whether it ended, end it.

posix_spawn and process ids, not `subprocess`: the objects of `subprocess` and asyncio kill the
child, or warn about it, when they are collected.
"""

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_POLL_S: Final = 0.05
_STOP_S_MAX: Final = 15.0  # then it is killed


def spawn_detached(arguments: Sequence[str], environment: dict[str, str], log_file: Path) -> int:
    """Start a process in a session of its own; its standard error goes to `log_file`.

    Its standard output is dropped: the server prints its key there, and the key belongs into the
    state file alone.

    Returns:
        The process id.
    """
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawn(
        arguments[0],
        list(arguments),
        environment,
        setsid=True,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, str(log_file), append, 0o600),
        ],
    )


def has_ended(pid: int) -> bool:
    """Whether our child has ended; takes its exit status if so."""
    try:
        return os.waitpid(pid, os.WNOHANG) != (0, 0)
    except ChildProcessError:
        return True


async def end(pid: int) -> None:
    """Ask our child to stop, kill it if it does not, and take its exit status."""
    if has_ended(pid):
        return
    os.kill(pid, signal.SIGTERM)
    deadline_s = time.monotonic() + _STOP_S_MAX
    while not has_ended(pid):
        if time.monotonic() > deadline_s:
            os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(_POLL_S)
