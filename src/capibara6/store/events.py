"""The listener that stores every event, and keeps runs and executions in tables beside them."""

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from capibara6.domain.events import (
    Event,
    ExecutionFinished,
    ExecutionStarted,
    Output,
    ProgramChunk,
    ProgramWritten,
    Routed,
    RunFinished,
    RunStarted,
)
from capibara6.domain.programs import Program
from capibara6.store.codec import event_to_dict
from capibara6.store.database import Database
from capibara6.store.executions import artefact_rows, execution_row, insert_execution
from capibara6.store.tables import events, runs
from capibara6.store.texts import storable, storable_name

PENDING_MAX = 100  # streamed pieces kept back, so that each is not a transaction of its own

_STREAMED = (ProgramChunk, Output)


def utc_now() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)


def execution_id(run_id: str, attempt: int) -> str:
    """Return the id under which a run's attempt is stored."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{run_id}/{attempt}").hex


@dataclass(frozen=True, slots=True)
class _Pending:
    event: Event
    at: datetime
    row: dict[str, Any]  # of the table of events


@dataclass(slots=True)
class _Run:
    """A run in progress."""

    seq: int = 0
    programs: dict[int, Program] = field(default_factory=dict)  # by attempt
    started: dict[int, datetime] = field(default_factory=dict)  # executions by attempt
    pending: list[_Pending] = field(default_factory=list)


class EventStore:
    """Stores events in order. Streamed pieces may wait for the next event that is none.

    When the database fails, what is pending is kept and stored with the run's next event. An event
    that cannot be stored at all is refused alone.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._clock = clock
        self._runs: dict[str, _Run] = {}

    async def handle(self, event: Event) -> None:
        """Store one event.

        Raises:
            ValueError: the run did not begin with RunStarted, or an execution has no program.
            TypeError: the event holds something that is not data.
            SQLAlchemyError: the database failed.
        """
        run = self._run(event)
        at = self._clock()
        row = await asyncio.to_thread(self._row, event, run.seq, at)
        run.pending.append(_Pending(event, at, row))
        run.seq += 1
        if not isinstance(event, _STREAMED) or len(run.pending) >= PENDING_MAX:
            await self._flush(run)
        if isinstance(event, RunFinished):
            del self._runs[event.run_id]

    async def close(self) -> None:
        """Store what still waits, of runs that did not finish."""
        for run in list(self._runs.values()):
            await self._flush(run)
        self._runs.clear()

    def _run(self, event: Event) -> _Run:
        run = self._runs.get(event.run_id)
        if run is None:
            if not isinstance(event, RunStarted):
                raise ValueError(f"{type(event).__name__} of run {event.run_id!r}, never started")
            run = self._runs[event.run_id] = _Run()
        if isinstance(event, ProgramWritten):
            run.programs[event.attempt] = event.program
        if isinstance(event, ExecutionFinished) and event.attempt not in run.programs:
            raise ValueError(f"attempt {event.attempt} of run {event.run_id!r} has no program")
        return run

    def _row(self, event: Event, seq: int, at: datetime) -> dict[str, Any]:
        payload = json.dumps(event_to_dict(event, self._database.blobs.put), allow_nan=False)
        kind = type(event).__name__
        return {"run_id": event.run_id, "seq": seq, "type": kind, "at": at, "payload": payload}

    async def _flush(self, run: _Run) -> None:
        batch = list(run.pending)
        if not batch:
            return
        async with self._database.write() as connection:
            for item in batch:
                if isinstance(item.event, RunStarted):  # the others' rows refer to this one
                    await _run_started(connection, item.event, item.at)
            await connection.execute(insert(events), [item.row for item in batch])
            for item in batch:
                await self._project(connection, run, item.event, item.at)
        del run.pending[: len(batch)]

    async def _project(
        self, connection: AsyncConnection, run: _Run, event: Event, at: datetime
    ) -> None:
        if isinstance(event, Routed):
            await _routed(connection, event)
        elif isinstance(event, ProgramWritten):
            await _written(connection, event)
        elif isinstance(event, ExecutionStarted):
            run.started[event.attempt] = at
        elif isinstance(event, ExecutionFinished):
            await self._executed(connection, run, event, at)
        elif isinstance(event, RunFinished):
            await _run_finished(connection, event, at)

    async def _executed(
        self, connection: AsyncConnection, run: _Run, event: ExecutionFinished, at: datetime
    ) -> None:
        name = execution_id(event.run_id, event.attempt)
        row = await asyncio.to_thread(execution_row, run.programs[event.attempt], event.result)
        files = await asyncio.to_thread(artefact_rows, event.result, name, self._database.blobs)
        row |= {"id": name, "run_id": event.run_id, "attempt": event.attempt}
        row |= {"started_at": run.started.get(event.attempt, at), "finished_at": at}
        await insert_execution(connection, row, files)


async def _run_started(connection: AsyncConnection, event: RunStarted, at: datetime) -> None:
    question = storable(event.request.question)
    row = {"id": event.run_id, "question": question, "started_at": at}
    await connection.execute(insert(runs), row)


async def _routed(connection: AsyncConnection, event: Routed) -> None:
    route = event.route
    await connection.execute(
        update(runs)
        .where(runs.c.id == event.run_id)
        .values(
            task=storable_name(route.task),
            template=storable_name(route.template),
            tier=storable_name(route.tier),
            language=route.language,
            confidence=route.confidence,
        )
    )


async def _written(connection: AsyncConnection, event: ProgramWritten) -> None:
    program, column = event.program, runs.c
    await connection.execute(
        update(runs)
        .where(column.id == event.run_id)
        .values(
            prompt_tokens=column.prompt_tokens + program.prompt_tokens,
            completion_tokens=column.completion_tokens + program.completion_tokens,
            cost_usd=column.cost_usd + program.cost_usd,
        )
    )


async def _run_finished(connection: AsyncConnection, event: RunFinished, at: datetime) -> None:
    await connection.execute(
        update(runs)
        .where(runs.c.id == event.run_id)
        .values(
            finished_at=at,
            success=event.success,
            answer=storable(event.answer),
            attempts=event.attempts,
            wall_s=event.wall_s,
            error_code=event.error_code,
            error=storable(event.error),
        )
    )
