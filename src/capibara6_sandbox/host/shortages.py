"""What this machine has run out of, told from the error that a call met."""

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from capibara6_sandbox.errors import NoRoomError, StartError

_DISK: Final = "There is no room left on the server's disk. Make some, then try again."
_DESCRIPTORS: Final = "has no file descriptors left. Raise its limit (ulimit -n)."

SENTENCES: Final[Mapping[int, str]] = {
    errno.ENOSPC: _DISK,
    errno.EDQUOT: _DISK,
    errno.EROFS: "The server's disk can be read only. Mount it for writing, or repair it.",
    errno.EIO: "The server's disk has failed.",
    errno.EMFILE: f"The server {_DESCRIPTORS}",
    errno.ENFILE: f"The server's machine {_DESCRIPTORS}",
    errno.EAGAIN: "The server's machine has no processes left. End some, or raise their limit.",
    errno.ENOMEM: "The server's machine has no memory left.",
}
DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})


def refused_start(cause: Exception, place: Path) -> StartError:
    """Return why a sandbox could not start.

    Args:
        cause: what the machine refused.
        place: the folder of what sandboxes have here while they run.
    """
    text = f"The sandbox could not start: {cause}"
    if isinstance(cause, OSError) and cause.errno in DISK:
        return NoRoomError(f"{text}. Make room in {place} on the server.")
    return StartError(text)


def shortage(cause: BaseException) -> str:
    """Return what is missing and what to do; "" if the error tells of no shortage."""
    return SENTENCES.get(cause.errno or 0, "") if isinstance(cause, OSError) else ""
