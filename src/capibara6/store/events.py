"""The listener that stores every event, and keeps runs and executions in tables beside them."""

import asyncio
import json
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import func, insert, select
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
from capibara6.store import projections
from capibara6.store.codec import event_to_dict
from capibara6.store.database import Database
from capibara6.store.executions import artefact_rows, execution_row, insert_execution
from capibara6.store.in_progress import InProgress
from capibara6.store.states import AttemptState, RunState, check_step
from capibara6.store.tables import events

PENDING_MAX = 100  # streamed pieces kept back, so that each is not a transaction of its own

LATE_MAX = 1_000  # runs that ended while the database did not answer, and wait for it

_STREAMED = (ProgramChunk, Output)
_LEADS_TO = {
    ProgramWritten: AttemptState.WRITTEN,
    ExecutionStarted: AttemptState.RUNNING,
    ExecutionFinished: AttemptState.FINISHED,
}

_log = structlog.get_logger(__name__)


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
    state: RunState = RunState.RUNNING
    attempts: dict[int, AttemptState] = field(default_factory=dict)
    doubtful: bool = False  # a write failed: what of it is stored has to be looked up
    programs: dict[int, Program] = field(default_factory=dict)  # by attempt
    started: dict[int, datetime] = field(default_factory=dict)  # executions by attempt
    pending: list[_Pending] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # of writing what is pending


class EventStore:
    """Stores events in order. Streamed pieces may wait for the next event that is none.

    When the database fails, what is pending is kept and stored with the run's next event, or after
    its end with that of another run. An event that cannot be stored at all is refused alone.

    Args:
        database: where to.
        in_progress: is told of runs before the database is.
        clock: the time of day.
    """

    def __init__(
        self,
        database: Database,
        in_progress: InProgress,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._in_progress = in_progress
        self._clock = clock
        self._runs: dict[str, _Run] = {}
        self._stored: deque[str] = deque(maxlen=LATE_MAX)  # the newest that ended
        self._late: dict[str, _Run] = {}  # that ended, and could not be stored yet

    async def handle(self, event: Event) -> None:
        """Store one event.

        Raises:
            ValueError: an event that cannot follow those before it: see `states`.
            TypeError: the event holds something that is not data.
            OSError: the disk refused to take a large value.
            SQLAlchemyError: the database failed.
        """
        run = self._run(event)
        at = self._clock()
        row = await asyncio.to_thread(self._row, event, run.seq, at)
        _advance(run, event)
        run.pending.append(_Pending(event, at, row))
        run.seq += 1
        if isinstance(event, _STREAMED) and len(run.pending) < PENDING_MAX:
            return
        try:
            await self._flush(run)
        finally:
            if isinstance(event, RunFinished):
                self._end(event.run_id)
        await self._catch_up()

    def recorded(self, run_id: str) -> bool:
        """Whether a run that has just ended is stored, to its end."""
        return run_id in self._stored

    async def close(self) -> None:
        """Store what still waits, of runs that did not finish too."""
        try:
            for run in [*self._runs.values(), *self._late.values()]:
                await self._flush(run)
            for run_id in [*self._late]:
                self._in_progress.end(run_id)
        finally:
            self._runs.clear()
            self._late.clear()
            self._in_progress.close()

    def _run(self, event: Event) -> _Run:
        run = self._runs.get(event.run_id)
        if run is None:
            if not isinstance(event, RunStarted):
                raise ValueError(f"{type(event).__name__} of run {event.run_id!r}, never started")
            self._begin(event.run_id)
            run = self._runs[event.run_id] = _Run()
        return run

    def _begin(self, run_id: str) -> None:
        try:
            self._in_progress.begin(run_id)
        except OSError as cause:  # if this platform is killed, nobody says that the run was cut
            _log.error("run_not_noted", run_id=run_id, cause=str(cause))

    def _finish(self, run_id: str) -> None:
        """Remember that a run is stored to its end."""
        self._in_progress.end(run_id)
        self._stored.append(run_id)

    def _end(self, run_id: str) -> None:
        """Let go of a run that has ended; keep what of it the database did not take."""
        run = self._runs.pop(run_id)
        if not run.pending:
            self._finish(run_id)
            return
        self._late[run_id] = run
        while len(self._late) > LATE_MAX:
            oldest = next(iter(self._late))
            del self._late[oldest]
            _log.error("run_not_stored", run_id=oldest, reason=f"{LATE_MAX} newer ones wait")

    async def _catch_up(self) -> None:
        """Store the runs that ended while the database did not answer."""
        for run_id, run in list(self._late.items()):
            await self._flush(run)
            self._late.pop(run_id, None)
            self._finish(run_id)

    def _row(self, event: Event, seq: int, at: datetime) -> dict[str, Any]:
        payload = json.dumps(event_to_dict(event, self._database.blobs.put), allow_nan=False)
        kind = type(event).__name__
        return {"run_id": event.run_id, "seq": seq, "type": kind, "at": at, "payload": payload}

    async def _flush(self, run: _Run) -> None:
        async with run.turn:
            batch = list(run.pending)
            if not batch:
                return
            doubtful, run.doubtful = run.doubtful, True
            async with self._database.write() as connection:
                new = await _not_stored(connection, batch) if doubtful else batch
                await self._store(connection, run, new)
            run.doubtful = False
            del run.pending[: len(batch)]

    async def _store(self, connection: AsyncConnection, run: _Run, batch: list[_Pending]) -> None:
        for item in batch:
            if isinstance(item.event, RunStarted):  # the others' rows refer to this one
                await projections.run_started(connection, item.event, item.at)
        if batch:
            await connection.execute(insert(events), [item.row for item in batch])
        for item in batch:
            await self._project(connection, run, item.event, item.at)

    async def _project(
        self, connection: AsyncConnection, run: _Run, event: Event, at: datetime
    ) -> None:
        if isinstance(event, Routed):
            await projections.routed(connection, event)
        elif isinstance(event, ProgramWritten):
            await projections.written(connection, event)
        elif isinstance(event, ExecutionStarted):
            run.started[event.attempt] = at
        elif isinstance(event, ExecutionFinished):
            await self._executed(connection, run, event, at)
        elif isinstance(event, RunFinished):
            await projections.run_finished(connection, event, at)

    async def _executed(
        self, connection: AsyncConnection, run: _Run, event: ExecutionFinished, at: datetime
    ) -> None:
        name = execution_id(event.run_id, event.attempt)
        row = await asyncio.to_thread(execution_row, run.programs[event.attempt], event.result)
        files = await asyncio.to_thread(artefact_rows, event.result, name, self._database.blobs)
        row |= {"id": name, "run_id": event.run_id, "attempt": event.attempt}
        row |= {"started_at": run.started.get(event.attempt, at), "finished_at": at}
        await insert_execution(connection, row, files)


def _advance(run: _Run, event: Event) -> None:
    """Take a run and its attempt to where an event leads.

    Raises:
        ValueError: it leads there from nowhere.
    """
    if isinstance(event, RunFinished):
        after = RunState.SUCCEEDED if event.success else RunState.FAILED
        run.state = check_step(f"run {event.run_id!r}", run.state, after)
    elif isinstance(event, ProgramWritten | ExecutionStarted | ExecutionFinished):
        name = f"attempt {event.attempt} of run {event.run_id!r}"
        before = run.attempts.get(event.attempt)
        run.attempts[event.attempt] = check_step(name, before, _LEADS_TO[type(event)])
    if isinstance(event, ProgramWritten):
        run.programs[event.attempt] = event.program


async def _not_stored(connection: AsyncConnection, batch: list[_Pending]) -> list[_Pending]:
    """Return what is not there after a write of which nobody heard how it ended."""
    run_id = batch[0].event.run_id
    newest = await connection.scalar(
        select(func.max(events.c.seq)).where(events.c.run_id == run_id)
    )
    return batch if newest is None else [item for item in batch if item.row["seq"] > newest]
