"""Runs in the database: listing them, and replaying one event by event."""

import asyncio
import json
from collections.abc import AsyncIterator

from sqlalchemy import func, select

from capibara6.domain.events import Event
from capibara6.errors import UnknownRecordError
from capibara6.store.codec import event_from_dict
from capibara6.store.database import Database
from capibara6.store.executions import PAGE_MAX
from capibara6.store.records import Page, RunRecord
from capibara6.store.tables import events, runs

_BATCH = 200


class Runs:
    """The record of every request."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, *, limit: int = 50, offset: int = 0) -> Page[RunRecord]:
        """Return runs, newest first, at most `PAGE_MAX` of them."""
        query = select(runs).order_by(runs.c.started_at.desc(), runs.c.id)
        async with self._database.read() as connection:
            total = await connection.scalar(select(func.count()).select_from(runs))
            rows = await connection.execute(
                query.limit(min(max(limit, 0), PAGE_MAX)).offset(max(offset, 0))
            )
            return Page(tuple(RunRecord(**row._mapping) for row in rows), total or 0, offset)

    async def get(self, run_id: str) -> RunRecord:
        """Return one run.

        Raises:
            UnknownRecordError: there is none of that id.
        """
        async with self._database.read() as connection:
            row = (await connection.execute(select(runs).where(runs.c.id == run_id))).one_or_none()
        if row is None:
            raise UnknownRecordError("run", run_id)
        return RunRecord(**row._mapping)

    async def replay(self, run_id: str) -> AsyncIterator[Event]:
        """Yield the run's events again, as they were, in their order.

        Raises:
            UnknownRecordError: there is no such run, or a file that belongs to it is gone.
        """
        await self.get(run_id)
        seq = 0
        while True:
            async with self._database.read() as connection:
                found = await connection.execute(
                    select(events.c.payload)
                    .where(events.c.run_id == run_id, events.c.seq >= seq)
                    .order_by(events.c.seq)
                    .limit(_BATCH)
                )
                payloads = [row[0] for row in found]
            for payload in payloads:
                yield await asyncio.to_thread(self._event, payload)
            if len(payloads) < _BATCH:
                return
            seq += _BATCH

    def _event(self, payload: str) -> Event:
        return event_from_dict(json.loads(payload), self._database.blobs.get)
