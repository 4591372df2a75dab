"""API keys: who may use the control plane, as which team, and how much of it.

Only a key's SHA-256 is kept. A key is 160 random bits, so that there is nothing to guess and no
need for a slow hash. The key that a server is started with is its own, in no file of this folder;
keys that are added or removed while it runs count from the next second on.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from capibara6_sandbox.errors import BadRequestError, ConflictError, NotFoundError
from capibara6_sandbox.host.key_records import TEAM_DEFAULT, KeyLimits, KeyRecord
from capibara6_sandbox.host.records import Records

FOLDER: Final = "keys"  # below the data folder
KEYS_MAX: Final = 1_000
OWN_ID: Final = "server"  # the id and name of the key that a server is started with
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
_FRESH_S: Final = 1.0


class KeyRing:
    """All keys of a data folder.

    Args:
        folder: theirs; it is made.
        now_s: a clock that never goes back.
    """

    def __init__(self, folder: Path, now_s: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._records = Records(folder, KeyRecord)
        self._now_s = now_s
        self._own: KeyRecord | None = None
        self._kept: dict[str, KeyRecord] = {}
        self._stamp = 0
        self._checked_s = -_FRESH_S
        self._refresh()

    def admit(self, plain: str) -> KeyRecord:
        """Take a key that no file holds: the server's own, of the default team, without limits."""
        self._own = _record(OWN_ID, OWN_ID, TEAM_DEFAULT, plain, KeyLimits())
        return self._own

    def find(self, plain: str) -> KeyRecord | None:
        """Return what is known of a key; None of a wrong one. All are compared, in equal time."""
        self._refresh()
        digest = _digest(plain)
        found = None
        for record in [*self._kept.values(), *([self._own] if self._own else [])]:
            if hmac.compare_digest(record.digest, digest):
                found = record
        return found

    def limits(self, key_id: str) -> KeyLimits:
        """Return the limits of a key by its id; of a removed one, none."""
        record = self._kept.get(key_id)
        return record.limits if record is not None else KeyLimits()

    def all(self) -> list[KeyRecord]:
        """Return all keys of the folder, oldest first."""
        self._refresh()
        return sorted(self._kept.values(), key=lambda record: record.created_at)

    def add(self, name: str, team: str, limits: KeyLimits) -> str:
        """Make a key and return it, for the only time.

        Raises:
            BadRequestError: a name or team that cannot be one.
            ConflictError: there is a key of this name, or no room for another.
            OSError: the disk refuses.
        """
        for what, text in (("name", name), ("team", team)):
            if not _NAME.fullmatch(text):
                allowed = "lower-case letters, digits, '_' and '-', at most 64"
                raise BadRequestError(f"{what}: {allowed}, not {text[:80]!r}")
        known = self.all()
        if name == OWN_ID or any(record.name == name for record in known):
            raise ConflictError(f"There is a key named '{name}'. Remove it first.")
        if len(known) >= KEYS_MAX:
            raise ConflictError(f"There are {KEYS_MAX} keys, which is the limit. Remove some.")
        plain = f"e2b_{secrets.token_hex(20)}"
        self._records.write(_record(secrets.token_hex(8), name, team, plain, limits))
        self._reload()
        return plain

    def remove(self, name: str) -> None:
        """Let a key open nothing any more; what was made with it stays its team's.

        Raises:
            NotFoundError: there is none of this name.
        """
        for record in self.all():
            if record.name == name:
                self._records.remove(record.id)
                self._reload()
                return
        raise NotFoundError(f"There is no key named '{name}'.")

    def _refresh(self) -> None:
        now_s = self._now_s()
        if now_s - self._checked_s < _FRESH_S:
            return
        self._checked_s = now_s
        stamp = self._folder.stat().st_mtime_ns
        if stamp != self._stamp:
            self._reload()
            self._stamp = stamp

    def _reload(self) -> None:
        self._kept = {record.id: record for record in self._records.load()}


def _record(key_id: str, name: str, team: str, plain: str, limits: KeyLimits) -> KeyRecord:
    return KeyRecord(
        id=key_id,
        name=name,
        team=team,
        digest=_digest(plain),
        limits=limits,
        created_at=datetime.now(UTC),
    )


def _digest(plain: str) -> str:
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()
