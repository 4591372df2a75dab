"""The end of runs whose platform ended before them, told by the next one."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from capibara6.domain.events import RunFinished
from capibara6.store.codec import event_to_dict
from capibara6.store.database import Database
from capibara6.store.states import INTERRUPTED, RunState, check_step
from capibara6.store.tables import events, executions, runs


async def say_interrupted(
    database: Database,
    run_ids: Sequence[str],
    farewell: Callable[[str], str],
    clock: Callable[[], datetime],
) -> None:
    """Let runs have ended by interruption, if nobody stored another end of them.

    Args:
        database: where they are.
        run_ids: of platforms that live no more.
        farewell: what is said of one, in a language.
        clock: the time of day.
    """
    if not run_ids:
        return
    column = runs.c
    query = select(column.id, column.language, column.started_at)
    unfinished = query.where(column.id.in_(run_ids), column.finished_at.is_(None))
    async with database.write() as connection:
        for run in (await connection.execute(unfinished)).all():
            check_step(f"run {run.id!r}", RunState.RUNNING, RunState.INTERRUPTED)
            await _interrupt(connection, run, farewell(run.language or ""), clock())


async def _interrupt(connection: AsyncConnection, run: Any, farewell: str, now: datetime) -> None:
    seq, last = (
        await connection.execute(
            select(func.max(events.c.seq), func.max(events.c.at)).where(events.c.run_id == run.id)
        )
    ).one()
    done = select(func.count()).select_from(executions).where(executions.c.run_id == run.id)
    end = RunFinished(
        run.id,
        success=False,
        answer="",
        attempts=await connection.scalar(done) or 0,
        wall_s=max(0.0, (last - run.started_at).total_seconds()) if last else 0.0,
        error_code=INTERRUPTED,
        error=farewell,
    )
    await connection.execute(
        insert(events),
        {
            "run_id": run.id,
            "seq": 0 if seq is None else seq + 1,
            "type": type(end).__name__,
            "at": now,
            "payload": json.dumps(event_to_dict(end), allow_nan=False),
        },
    )
    await connection.execute(
        update(runs)
        .where(runs.c.id == run.id)
        .values(
            finished_at=now,
            success=False,
            answer="",
            attempts=end.attempts,
            wall_s=end.wall_s,
            error_code=end.error_code,
            error=end.error,
        )
    )
