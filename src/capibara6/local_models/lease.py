"""Which of this machine's platforms holds a model: the others ask that one's endpoint.

The holder has the model's file locked and its address in it. The kernel frees the lock when the
holder ends, however it ends, so nothing that is left behind has to be believed or removed.
"""

import fcntl
import json
import logging
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

_BYTES_MAX: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Address:
    """An endpoint that serves a model, and which model: a name can be given anew."""

    base_url: str
    key: str = field(repr=False)
    model: str


class Lease:
    """The right to run a model's process.

    Args:
        file: that is locked; it has the address, and the key, of who holds the lease.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._fd: int | None = None

    def take(self, own: Address) -> Address | None:
        """Hold it, if nobody else does.

        Returns:
            None: the model is to be run here. Else who runs it; its `base_url` is "" as long as it
            has not told.
        """
        if self._fd is not None:
            return None
        try:
            fd = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as failure:
            self._say_alone(failure)
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write(fd, json.dumps(asdict(own)))
        except BlockingIOError:
            holder = _read(fd)
            os.close(fd)
            return holder if holder.model in ("", own.model) else None
        except OSError as failure:
            os.close(fd)
            self._say_alone(failure)
            return None
        self._fd = fd
        return None

    def give_back(self) -> None:
        """Let others have it."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.ftruncate(fd, 0)
            os.close(fd)

    def _say_alone(self, failure: OSError) -> None:
        why = failure.strerror or failure
        log.warning("a local model is not shared with other platforms: %s: %s", self._file, why)


def _write(fd: int, text: str) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, text.encode(), 0)


def _read(fd: int) -> Address:
    try:
        values = json.loads(os.pread(fd, _BYTES_MAX, 0))
        return Address(str(values["base_url"]), str(values["key"]), str(values["model"]))
    except (ValueError, KeyError, TypeError, RecursionError):  # just taken, or just given back
        return Address("", "", "")
