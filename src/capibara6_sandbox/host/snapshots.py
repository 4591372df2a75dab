"""Snapshots: saved files with a name, from which any number of sandboxes start.

A name with a tag points to the newest snapshot that was given both; the one before it is removed,
as when a template is built again.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from capibara6_sandbox.errors import BadRequestError
from capibara6_sandbox.host.key_records import TEAM_DEFAULT
from capibara6_sandbox.host.records import Records, SnapshotRecord
from capibara6_sandbox.host.states import SnapshotState, check_step

DEFAULT_TAG: Final = "default"
_PART: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"
_REFERENCE: Final = re.compile(rf"((?:{_PART}/)?{_PART})(?::({_PART}))?")


@dataclass(frozen=True, slots=True)
class Reference:
    """What a client calls a snapshot: its id or name, and perhaps a tag."""

    name: str
    tag: str  # "" for any

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Read a reference: "name", "name:tag", "namespace/name:tag" or the same with an id.

        Raises:
            BadRequestError: it has other characters, or more of them.
        """
        found = _REFERENCE.fullmatch(text)
        if found is None:
            allowed = "letters, digits, '_', '.' and '-', at most 128, and perhaps a ':tag'"
            raise BadRequestError(f"Invalid name: {text[:80]!r}; it may have {allowed}.")
        return cls(found[1], found[2] or "")

    def means(self, record: SnapshotRecord) -> bool:
        """Whether a snapshot is meant."""
        named = self.name == record.id or (bool(record.name) and self.name == record.name)
        return named and self.tag in ("", record.tag)


def public_id(record: SnapshotRecord) -> str:
    """Return what clients are told is a snapshot's id."""
    return f"{record.name or record.id}:{record.tag}"


class Snapshots:
    """All snapshots of this server, on disk and by heart."""

    def __init__(self, records: Records[SnapshotRecord]) -> None:
        self._records = records
        self._known = {record.id: record for record in records.load()}
        self._states = dict.fromkeys(self._known, SnapshotState.KEPT)

    def all(self) -> Iterable[SnapshotRecord]:
        """Return every snapshot."""
        return list(self._known.values())

    def has(self, record: SnapshotRecord) -> bool:
        """Whether a snapshot is kept still."""
        return record.id in self._known

    def add(self, record: SnapshotRecord) -> list[SnapshotRecord]:
        """Keep a snapshot; return those that it takes the place of, which are removed.

        Raises:
            OSError: the disk is full.
            ConflictError: it is kept already.
        """
        replaced = [
            other
            for other in self._known.values()
            if record.name
            and (other.team, other.name, other.tag) == (record.team, record.name, record.tag)
        ]
        before = self._states.get(record.id, SnapshotState.SAVING)
        kept = check_step("Snapshot", record.id, before, SnapshotState.KEPT)
        self._records.write(record)
        self._known[record.id], self._states[record.id] = record, kept
        for other in replaced:
            self.remove(other)
        return replaced

    def find(self, text: str, team: str = TEAM_DEFAULT) -> SnapshotRecord | None:
        """Return the snapshot that a team means; without a tag, the one with the default tag."""
        if _REFERENCE.fullmatch(text) is None:
            return None
        reference = Reference.parse(text)
        found = [record for record in self.of(team) if reference.means(record)]
        if not reference.tag and len(found) > 1:
            found = [record for record in found if record.tag == DEFAULT_TAG] or found[:0]
        return found[0] if found else None

    def of(self, team: str) -> list[SnapshotRecord]:
        """Return a team's snapshots."""
        return [record for record in self._known.values() if record.team == team]

    def select(self, sandbox_id: str, name: str, team: str = TEAM_DEFAULT) -> list[SnapshotRecord]:
        """Return a team's snapshots of one sandbox, of one name, or ("") of all.

        Raises:
            BadRequestError: a name that no snapshot can have.
        """
        reference = Reference.parse(name) if name else None
        return [
            record
            for record in self.of(team)
            if sandbox_id in ("", record.sandbox_id)
            and (reference is None or reference.means(record))
        ]

    def remove(self, record: SnapshotRecord) -> None:
        """Forget a snapshot.

        Raises:
            ConflictError: it was removed before.
        """
        before = self._states.get(record.id, SnapshotState.REMOVED)
        check_step("Snapshot", record.id, before, SnapshotState.REMOVED)
        self._records.remove(record.id)
        del self._known[record.id], self._states[record.id]
