"""What events change in the table of runs, which tells each run in one row."""

from datetime import datetime

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from capibara6.domain.events import ProgramWritten, Routed, RunFinished, RunStarted
from capibara6.store.tables import runs
from capibara6.store.texts import storable, storable_name


async def run_started(connection: AsyncConnection, event: RunStarted, at: datetime) -> None:
    """Add a run."""
    question = storable(event.request.question)
    row = {"id": event.run_id, "question": question, "started_at": at}
    await connection.execute(insert(runs), row)


async def routed(connection: AsyncConnection, event: Routed) -> None:
    """Note its route."""
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


async def written(connection: AsyncConnection, event: ProgramWritten) -> None:
    """Add what a program cost."""
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


async def run_finished(connection: AsyncConnection, event: RunFinished, at: datetime) -> None:
    """Note its end."""
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
