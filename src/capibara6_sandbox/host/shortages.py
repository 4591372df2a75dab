"""What this machine has run out of, told from the error that a call met."""

import errno
from collections.abc import Mapping
from typing import Final

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


def shortage(cause: BaseException) -> str:
    """Return what is missing and what to do; "" if the error tells of no shortage."""
    return SENTENCES.get(cause.errno or 0, "") if isinstance(cause, OSError) else ""
