"""System calls that a seccomp filter leaves to us: seccomp_unotify(2)."""

import fcntl
import select
import struct
from dataclasses import dataclass
from typing import Final

_RECEIVE: Final = 0xC0502100  # SECCOMP_IOCTL_NOTIF_RECV
_SEND: Final = 0xC0182101  # SECCOMP_IOCTL_NOTIF_SEND
_NOTIFICATION: Final = struct.Struct("<QIIiIQ6Q")
_RESPONSE: Final = struct.Struct("<QqiI")
_CONTINUE: Final = 1


@dataclass(frozen=True, slots=True)
class Notification:
    """A thread that waits for what is said of its system call."""

    id: int
    pid: int  # 0 if it cannot be seen from here


def receive(listener: int) -> Notification | None:
    """Return a waiting call; None if there is none (any more).

    Raises:
        EOFError: no process has this filter any more.
    """
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    events = sum(found for _, found in poll.poll(0))
    if not events & select.POLLIN:
        if events:
            raise EOFError
        return None
    buffer = bytearray(_NOTIFICATION.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, buffer)
    except (FileNotFoundError, InterruptedError):
        return None
    number, pid, *_ = _NOTIFICATION.unpack(buffer)
    return Notification(number, pid)


def answer(listener: int, call: Notification, *, error: int) -> None:
    """Let a call go on as it is (error 0), or fail with an errno."""
    response = _RESPONSE.pack(call.id, 0, -error, 0 if error else _CONTINUE)
    try:
        fcntl.ioctl(listener, _SEND, response)
    except FileNotFoundError:
        return  # it was killed, or interrupted: nobody waits
