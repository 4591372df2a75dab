"""What executions used, and the limits that somebody pinned over what follows from it."""

from dataclasses import asdict

from sqlalchemy import Delete, delete, func, insert, select

from capibara6.store.database import Database
from capibara6.store.records import LimitPin, UsageSample
from capibara6.store.tables import limit_pins, usage_samples
from capibara6.store.texts import storable_name

_NAMES = ("task", "template", "error_name", "first_error")


class UsageSamples:
    """What executions used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, sample: UsageSample) -> None:
        """Store one sample."""
        async with self._database.write() as connection:
            await connection.execute(insert(usage_samples), _cleaned(sample))

    async def list(
        self, *, template: str | None = None, task: str | None = None, limit: int = 1000
    ) -> tuple[UsageSample, ...]:
        """Return samples, newest first."""
        columns = [column for column in usage_samples.c if column.name != "id"]
        query = select(*columns).order_by(usage_samples.c.id.desc()).limit(limit)
        if template is not None:
            query = query.where(usage_samples.c.template == template)
        if task is not None:
            query = query.where(usage_samples.c.task == task)
        async with self._database.read() as connection:
            return tuple(UsageSample(**row._mapping) for row in await connection.execute(query))

    async def after(self, seq: int, limit: int) -> tuple[tuple[int, UsageSample], ...]:
        """Return the newest samples stored after `seq`, oldest first, each with its number."""
        query = select(usage_samples).where(usage_samples.c.id > seq)
        query = query.order_by(usage_samples.c.id.desc()).limit(limit)
        async with self._database.read() as connection:
            rows = [dict(row._mapping) for row in await connection.execute(query)]
        return tuple((row.pop("id"), UsageSample(**row)) for row in reversed(rows))

    async def newest(self) -> int:
        """Return the number of the newest sample; 0 when there is none."""
        async with self._database.read() as connection:
            return await connection.scalar(select(func.max(usage_samples.c.id))) or 0

    async def clear(self) -> int:
        """Forget all; returns how many there were."""
        async with self._database.write() as connection:
            result = await connection.execute(delete(usage_samples))
            return result.rowcount


class LimitPins:
    """Limits that somebody has set."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> tuple[LimitPin, ...]:
        """Return all, by template and task."""
        query = select(limit_pins).order_by(limit_pins.c.template, limit_pins.c.task)
        async with self._database.read() as connection:
            return tuple(LimitPin(**row._mapping) for row in await connection.execute(query))

    async def put(self, pin: LimitPin) -> None:
        """Set the limits of a task, in place of what was pinned before."""
        async with self._database.write() as connection:
            await connection.execute(_of(pin.template, pin.task))
            await connection.execute(insert(limit_pins), asdict(pin))

    async def remove(self, template: str, task: str) -> bool:
        """Let a task's limits follow its usage again; returns whether they were pinned."""
        async with self._database.write() as connection:
            result = await connection.execute(_of(template, task))
            return result.rowcount > 0


def _of(template: str, task: str) -> Delete:
    own = (limit_pins.c.template == template) & (limit_pins.c.task == task)
    return delete(limit_pins).where(own)


def _cleaned(sample: UsageSample) -> dict[str, object]:
    row = asdict(sample)
    return row | {name: storable_name(row[name]) for name in _NAMES}
