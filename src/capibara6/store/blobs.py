"""Files under the data directory, named by their content."""

import hashlib
import os
import re
import tempfile
from pathlib import Path

from capibara6.errors import UnknownRecordError

_KEY = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """Keeps bytes once, however often they are stored. Blocking: call it from a thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, content: bytes) -> str:
        """Store `content` and return its key. A crash never leaves half a file under a key."""
        key = hashlib.sha256(content).hexdigest()
        path = self.path(key)
        if path.exists():
            return key
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return key

    def get(self, key: str) -> bytes:
        """Return the bytes stored under `key`.

        Raises:
            UnknownRecordError: nothing is stored under it.
        """
        try:
            return self.path(key).read_bytes()
        except FileNotFoundError:
            raise UnknownRecordError("stored file", key) from None

    def path(self, key: str) -> Path:
        """Return where `key` lies.

        Raises:
            UnknownRecordError: it is no key at all.
        """
        if not _KEY.fullmatch(key):
            raise UnknownRecordError("stored file", key)
        return self._directory / key[:2] / key
