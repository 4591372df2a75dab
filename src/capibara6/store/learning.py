"""Raw material of ACE: lessons from repairs."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import insert, select

from capibara6.store.database import Database
from capibara6.store.records import Lesson
from capibara6.store.tables import lessons
from capibara6.store.texts import storable, storable_name

_LESSON_NAMES = ("task", "template", "kind", "failed_origin", "repaired_origin")


class Lessons:
    """What failed and what then worked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, found: Sequence[Lesson]) -> None:
        """Store lessons, all or none."""
        if not found:
            return
        rows = [_cleaned(asdict(lesson), _LESSON_NAMES) for lesson in found]
        async with self._database.write() as connection:
            await connection.execute(insert(lessons), rows)

    async def list(self, *, kind: str | None = None, limit: int = 1000) -> tuple[Lesson, ...]:
        """Return lessons, newest first, of one class of diagnosis or of all."""
        columns = [column for column in lessons.c if column.name != "id"]
        query = select(*columns).order_by(lessons.c.id.desc()).limit(limit)
        if kind is not None:
            query = query.where(lessons.c.kind == kind)
        async with self._database.read() as connection:
            return tuple(Lesson(**row._mapping) for row in await connection.execute(query))


def _cleaned(row: dict[str, object], names: Sequence[str]) -> dict[str, object]:
    def clean(name: str, value: object) -> object:
        if not isinstance(value, str):
            return value
        return storable_name(value) if name in names else storable(value)

    return {name: clean(name, value) for name, value in row.items()}
