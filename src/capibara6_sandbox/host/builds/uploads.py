"""Archives that clients upload for COPY steps: kept by their hash, unpacked only in sandboxes.

The hash is the client's own, over the files and not over the archive, so nobody can check it here;
it only names the archive. Who may upload is decided by a signature in the address.
"""

import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from capibara6_sandbox.errors import BadRequestError, BodyTooLargeError, UnauthorizedError
from capibara6_sandbox.host.key_records import TEAM_DEFAULT

UPLOAD_BYTES_MAX: Final = 4 << 30
KEPT_BYTES_MAX: Final = 16 << 30  # of all archives; the oldest make room
VALID_S: Final = 3600
_HASH: Final = re.compile(r"[0-9a-f]{64}")


class Uploads:
    """The archives, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._key = secrets.token_bytes(32)  # addresses end with the server that gave them
        for left in folder.glob(".part-*"):
            left.unlink()

    def path(self, files_hash: str, team: str = TEAM_DEFAULT) -> Path:
        """Return where a team's archive lies, or would lie.

        Raises:
            BadRequestError: the hash has another form.
        """
        if _HASH.fullmatch(files_hash) is None:
            raise BadRequestError("Invalid files hash")
        prefix = "" if team == TEAM_DEFAULT else f"{team}."
        return self._folder / f"{prefix}{files_hash}.tar"

    def query(self, template_id: str, files_hash: str) -> str:
        """Return the query of an address to upload to."""
        expires = int(time.time()) + VALID_S
        return f"expires={expires}&signature={self._sign(template_id, files_hash, expires)}"

    def check(self, template_id: str, files_hash: str, expires: str, signature: str) -> None:
        """Refuse an address that was not given by `query`, or too long ago.

        Raises:
            UnauthorizedError: so it is.
        """
        number = int(expires) if expires.isdecimal() and len(expires) < 20 else 0
        right = self._sign(template_id, files_hash, number)
        if not hmac.compare_digest(right.encode(), signature.encode()) or number < time.time():
            raise UnauthorizedError("The upload's address is wrong or too old. Ask for a new one.")

    def _sign(self, template_id: str, files_hash: str, expires: int) -> str:
        message = f"{template_id}:{files_hash}:{expires}".encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()

    async def receive(
        self, files_hash: str, pieces: AsyncIterator[bytes], team: str = TEAM_DEFAULT
    ) -> None:
        """Keep a team's archive, whole or not at all.

        Raises:
            BodyTooLargeError: it is larger than `UPLOAD_BYTES_MAX`.
            OSError: the disk is full.
        """
        target = self.path(files_hash, team)
        aside = self._folder / f".part-{secrets.token_hex(8)}"
        try:
            with aside.open("wb") as file:
                size = 0
                async for piece in pieces:
                    size += len(piece)
                    if size > UPLOAD_BYTES_MAX:
                        raise BodyTooLargeError(
                            f"The archive is larger than {UPLOAD_BYTES_MAX:,} bytes."
                        )
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)
        self._make_room()

    def _make_room(self) -> None:
        """Remove the oldest archives beyond `KEPT_BYTES_MAX`, but never the newest one."""
        archives = [(path.stat(), path) for path in self._folder.glob("*.tar")]
        archives.sort(key=lambda archive: archive[0].st_mtime_ns, reverse=True)
        kept = 0
        for number, (status, path) in enumerate(archives):
            kept += status.st_size
            if kept > KEPT_BYTES_MAX and number > 0:
                path.unlink()
