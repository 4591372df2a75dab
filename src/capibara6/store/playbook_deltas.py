"""Changes of the playbook: a set that only grows until it is reset, as that of tiers' outcomes.

What the playbook holds is a function of the set, so that adding a change twice, in any order or
from any process, leaves the same playbook.
"""

import json
from collections.abc import Sequence
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from capibara6.domain.playbook import Delta
from capibara6.store.database import Database
from capibara6.store.tables import playbook_deltas
from capibara6.store.texts import storable_name

OUTCOMES_KEPT_MAX: Final = 50_000  # the oldest beyond it are dropped; nothing else ever is
_DROP_EVERY: Final = 500
OUTCOME: Final = "outcome"


class PlaybookDeltas:
    """The set."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, found: Sequence[Delta]) -> int:
        """Store changes that are not there yet; returns how many were new."""
        if not found:
            return 0
        rows = [_row(change) for change in found]
        table = playbook_deltas
        async with self._database.write() as connection:
            into = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            before = await connection.scalar(select(func.count()).select_from(table))
            await connection.execute(into(table).on_conflict_do_nothing(), rows)
            count = await connection.scalar(select(func.count()).select_from(table)) or 0
            if count > OUTCOMES_KEPT_MAX and count // _DROP_EVERY > (before or 0) // _DROP_EVERY:
                outcomes = select(table.c.seq).where(table.c.kind == OUTCOME)
                newest = outcomes.order_by(table.c.seq.desc()).offset(OUTCOMES_KEPT_MAX - 1)
                oldest_kept = newest.limit(1).scalar_subquery()
                old = table.c.seq < oldest_kept
                await connection.execute(delete(table).where(table.c.kind == OUTCOME, old))
        return count - (before or 0)

    async def after(self, seq: int, limit: int) -> tuple[tuple[int, Delta], ...]:
        """Return up to `limit` changes stored after number `seq`, oldest first, with numbers."""
        query = select(playbook_deltas).where(playbook_deltas.c.seq > seq)
        query = query.order_by(playbook_deltas.c.seq).limit(limit)
        async with self._database.read() as connection:
            rows = [row._mapping for row in await connection.execute(query)]
        return tuple(
            (
                row["seq"],
                Delta(row["id"], row["at"], row["kind"], row["bullet"], _body(row["body"])),
            )
            for row in rows
        )

    async def oldest(self) -> int | None:
        """Return the number of the oldest change; None when there is none."""
        async with self._database.read() as connection:
            found: int | None = await connection.scalar(select(func.min(playbook_deltas.c.seq)))
        return found

    async def clear(self) -> int:
        """Forget all; returns how many there were."""
        async with self._database.write() as connection:
            result = await connection.execute(delete(playbook_deltas))
            return result.rowcount


def _row(change: Delta) -> dict[str, object]:
    return {
        "id": change.id,
        "at": change.at,
        "kind": storable_name(change.kind),
        "bullet": change.bullet,
        "body": json.dumps(change.body, sort_keys=True),  # ASCII, which loses nothing
    }


def _body(text: str) -> dict[str, object]:
    body = json.loads(text)
    return body if isinstance(body, dict) else {}
