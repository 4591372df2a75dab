"""Programs of models, and how they did on tasks of suites: a set in which nothing changes."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import case, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from capibara6.errors import ConfigurationError
from capibara6.store.database import Database
from capibara6.store.records import ModelSample
from capibara6.store.tables import model_samples
from capibara6.store.texts import storable, storable_name

_NAMES = ("suite", "task", "tier", "model", "missing")
_TEXTS = ("code", "error", "traceback")


@dataclass(frozen=True, slots=True)
class MeasuredTier:
    """How a tier's greedy programs did on one suite."""

    suite: str
    tier: str
    model: str
    tasks: int
    passed: int


class ModelSamples:
    """The set."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, sample: ModelSample) -> None:
        """Store a sample, unless it is there.

        Raises:
            ConfigurationError: the database does not take it: it is full, locked or gone.
        """
        try:
            async with self._database.write() as connection:
                dialect = connection.dialect.name
                into = postgresql.insert if dialect == "postgresql" else sqlite.insert
                rows = into(model_samples).on_conflict_do_nothing()
                await connection.execute(rows, _cleaned(sample))
        except (DBAPIError, OSError) as cause:
            reason = str(getattr(cause, "orig", None) or cause).strip().splitlines()[0]
            problem = f"it does not take what was measured ({reason})"
            remedy = "Make room, or let the other process end."
            raise ConfigurationError("database", "(in use)", problem, remedy) from None

    async def of_setup(self, setup: str) -> dict[str, ModelSample]:
        """Return all samples of a setup, by id."""
        query = select(model_samples).where(model_samples.c.setup == setup)
        async with self._database.read() as connection:
            rows = [dict(row._mapping) for row in await connection.execute(query)]
        return {row["id"]: ModelSample(**row | {"signals": _signals(row)}) for row in rows}

    async def measured(self, tiers: Sequence[str]) -> tuple[MeasuredTier, ...]:
        """Return how each tier has done on each suite it was measured on."""
        columns = model_samples.c
        passed = func.sum(case((columns.passed, 1), else_=0))
        group = (columns.suite, columns.tier, columns.model)
        first = (columns.candidate == 0) & (columns.repair == 0) & (columns.variant == "")
        counted = func.count(columns.task.distinct())
        query = select(*group, counted, passed, func.count()).where(first, columns.tier.in_(tiers))
        async with self._database.read() as connection:
            rows = list(await connection.execute(query.group_by(*group)))
        return tuple(
            MeasuredTier(suite, tier, model, tasks, round(tasks * total / count))
            for suite, tier, model, tasks, total, count in rows
        )

    async def forget(self, setup: str) -> int:
        """Delete all samples of a setup; returns how many there were."""
        async with self._database.write() as connection:
            query = delete(model_samples).where(model_samples.c.setup == setup)
            return (await connection.execute(query)).rowcount


def _cleaned(sample: ModelSample) -> dict[str, Any]:
    row = asdict(sample)
    row |= {name: storable_name(row[name]) for name in _NAMES}
    row |= {name: storable(row[name]) for name in _TEXTS}
    return row | {"signals": json.dumps(sample.signals)}


def _signals(row: dict[str, Any]) -> dict[str, Any]:
    found = json.loads(row["signals"])
    return found if isinstance(found, dict) else {}
