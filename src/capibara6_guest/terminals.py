"""Pseudo-terminals for programs that want one."""

import os
import termios
from typing import Any

from capibara6_guest.users import User, acting_as
from capibara6_guest.wire import CallError

_SIZE_MAX = 0xFFFF


def open_terminal(user: User, size: dict[str, Any]) -> tuple[int, int]:
    """Open a terminal that belongs to `user`; return the agent's side and the program's.

    Raises:
        OSError: there is no terminal left.
        CallError: invalid_argument for a size that is none.
    """
    with acting_as(user):
        agent_fd, program_fd = os.openpty()
    try:
        resize(agent_fd, size)
    except BaseException:
        os.close(agent_fd)
        os.close(program_fd)
        raise
    return agent_fd, program_fd


def resize(fd: int, size: dict[str, Any]) -> None:
    """Set a terminal's size; what runs on it is told by SIGWINCH.

    Raises:
        CallError: invalid_argument for a size that is none.
    """
    termios.tcsetwinsize(fd, (_side(size, "rows"), _side(size, "cols")))


def _side(size: dict[str, Any], name: str) -> int:
    number = size.get(name)
    if not isinstance(number, int) or not 0 <= number <= _SIZE_MAX:
        message = f"{name} must be a whole number up to {_SIZE_MAX}, not {number!r}"
        raise CallError("invalid_argument", message)
    return number
