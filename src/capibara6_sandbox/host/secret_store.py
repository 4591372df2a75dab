"""Secrets: values that clients store under a name and that nothing ever shows again.

Each is one file that only the server's user may read. The value goes to the egress process, which
puts it in the place of `${e2b.secrets.<name>}`, and into no description, message or log.
"""

import re
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from capibara6_sandbox.errors import BadRequestError, ConflictError, NotFoundError
from capibara6_sandbox.host.key_records import TEAM_DEFAULT
from capibara6_sandbox.host.records import Records, SecretRecord

ID_PREFIX: Final = "sec_"
SECRETS_MAX: Final = 10_000
_NAME: Final = re.compile(r"[a-z0-9_-]{1,128}", re.ASCII)


class SecretStore:
    """All secrets of this server.

    Args:
        folder: theirs; it is made.
    """

    def __init__(self, folder: Path) -> None:
        self._records = Records(folder, SecretRecord)
        folder.chmod(0o700)
        self._kept = {record.id: record for record in self._records.load()}
        self.on_change: Callable[[], None] = lambda: None  # is told when a value has changed
        self._refusal = ""

    def refuse(self, reason: str) -> None:
        """Answer every call with an error from now on, and know nothing."""
        self._refusal = reason
        self._kept.clear()

    @property
    def _secrets(self) -> dict[str, SecretRecord]:
        if self._refusal:
            raise ConflictError(self._refusal)
        return self._kept

    def create(
        self, name: str, value: str, metadata: dict[str, str], team: str = TEAM_DEFAULT
    ) -> SecretRecord:
        """Store a secret.

        Raises:
            BadRequestError: the name cannot be one; it is not repeated, nor is the value.
            ConflictError: there is one of this name.
        """
        name = name.strip().lower()
        if not _NAME.fullmatch(name) or name.startswith(ID_PREFIX):
            raise BadRequestError("The secret's name is invalid: letters, digits, _ and - only.")
        if self._find(name, team) is not None:
            raise ConflictError("A secret of this name exists already.")
        if len(self._secrets) >= SECRETS_MAX:
            raise ConflictError(f"There are {SECRETS_MAX:,} secrets, which is the limit.")
        now = datetime.now(UTC)
        record = SecretRecord(
            id=ID_PREFIX + uuid.uuid4().hex,
            name=name,
            value=value,
            version=1,
            metadata=metadata,
            created_at=now,
            updated_at=now,
            team=team,
        )
        return self._keep(record)

    def update(
        self, selector: str, value: str, metadata: dict[str, str] | None, team: str = TEAM_DEFAULT
    ) -> SecretRecord:
        """Give a secret another value; None leaves its metadata.

        Raises:
            NotFoundError: there is none of this id or name.
        """
        old = self.get(selector, team)
        changed = {
            "value": value,
            "version": old.version + 1,
            "metadata": old.metadata if metadata is None else metadata,
            "updated_at": datetime.now(UTC),
        }
        return self._keep(old.model_copy(update=changed))

    def get(self, selector: str, team: str = TEAM_DEFAULT) -> SecretRecord:
        """Return a team's secret by its id or name.

        Raises:
            NotFoundError: there is none.
        """
        found = self._find(selector, team)
        if found is None:
            raise NotFoundError("The secret was not found.")
        return found

    def all(self, team: str = TEAM_DEFAULT) -> Iterable[SecretRecord]:
        """Return a team's secrets, oldest first."""
        return sorted(self._of(team), key=lambda secret: (secret.created_at, secret.id))

    def destroy(self, selector: str, team: str = TEAM_DEFAULT) -> None:
        """Forget a secret.

        Raises:
            NotFoundError: there is none of this id or name.
        """
        record = self.get(selector, team)
        self._records.remove(record.id)
        del self._secrets[record.id]
        self.on_change()

    def values(self, names: Iterable[str], team: str = TEAM_DEFAULT) -> dict[str, str]:
        """Return the values of now of those names that a team has; ids are no names."""
        by_name = {
            secret.name: secret.value for secret in self._kept.values() if secret.team == team
        }
        return {name: by_name[name] for name in names if name in by_name}

    def _of(self, team: str) -> list[SecretRecord]:
        return [secret for secret in self._secrets.values() if secret.team == team]

    def _find(self, selector: str, team: str) -> SecretRecord | None:
        name = selector.strip().lower()
        found = (secret for secret in self._of(team) if secret.id == selector)
        named = (secret for secret in self._of(team) if secret.name == name)
        return next(found, None) or next(named, None)

    def _keep(self, record: SecretRecord) -> SecretRecord:
        self._records.write(record)
        self._secrets[record.id] = record
        self.on_change()
        return record
