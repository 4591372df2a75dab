"""What tiers achieved on questions: a set that only grows until it is reset.

Each outcome has an id that follows from what it is the outcome of, so that adding it twice, in any
order or from any process, leaves the same set. What the router has learnt is a function of it.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from capibara6.store.database import Database
from capibara6.store.records import TierOutcome
from capibara6.store.tables import tier_outcomes
from capibara6.store.texts import storable, storable_name

KEPT_MAX: Final = 20_000  # the oldest beyond it are dropped
_DROP_EVERY: Final = 100


class TierOutcomes:
    """The set."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, found: Sequence[TierOutcome]) -> int:
        """Store outcomes that are not there yet; returns how many were new."""
        if not found:
            return 0
        rows = [_cleaned(outcome) for outcome in found]
        async with self._database.write() as connection:
            dialect = connection.dialect.name
            into = postgresql.insert if dialect == "postgresql" else sqlite.insert
            before = await connection.scalar(select(func.count()).select_from(tier_outcomes))
            await connection.execute(into(tier_outcomes).on_conflict_do_nothing(), rows)
            count = await connection.scalar(select(func.count()).select_from(tier_outcomes)) or 0
            if count > KEPT_MAX + _DROP_EVERY:
                newest = select(tier_outcomes.c.seq).order_by(tier_outcomes.c.seq.desc())
                oldest_kept = newest.offset(KEPT_MAX - 1).limit(1).scalar_subquery()
                await connection.execute(
                    delete(tier_outcomes).where(tier_outcomes.c.seq < oldest_kept)
                )
        return count - (before or 0)

    async def after(self, seq: int, limit: int) -> tuple[tuple[int, TierOutcome], ...]:
        """Return the newest outcomes stored after `seq`, oldest first, each with its number."""
        query = select(tier_outcomes).where(tier_outcomes.c.seq > seq)
        query = query.order_by(tier_outcomes.c.seq.desc()).limit(limit)
        async with self._database.read() as connection:
            rows = [dict(row._mapping) for row in await connection.execute(query)]
        return tuple((row.pop("seq"), TierOutcome(**row)) for row in reversed(rows))

    async def oldest(self) -> int | None:
        """Return the number of the oldest outcome; None when there is none."""
        async with self._database.read() as connection:
            found: int | None = await connection.scalar(select(func.min(tier_outcomes.c.seq)))
        return found

    async def clear(self) -> int:
        """Forget all; returns how many there were."""
        async with self._database.write() as connection:
            result = await connection.execute(delete(tier_outcomes))
            return result.rowcount


def _cleaned(outcome: TierOutcome) -> dict[str, object]:
    row = asdict(outcome)
    row["question"] = storable(outcome.question)
    return row | {name: storable_name(row[name]) for name in ("task", "tier")}
