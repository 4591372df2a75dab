"""Executions in the database: writing, listing, counting."""

import asyncio
import math
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, Row, Select, cast, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from capibara6.domain.executions import ExecutionError, ExecutionResult, ResultItem, Usage
from capibara6.domain.programs import Program
from capibara6.errors import UnknownRecordError
from capibara6.store.blobs import Blobs
from capibara6.store.codec import from_json, to_json
from capibara6.store.database import Database
from capibara6.store.records import (
    ArtefactRecord,
    ExecutionFilter,
    ExecutionRecord,
    Page,
    Stats,
    Tally,
)
from capibara6.store.tables import artefacts, executions
from capibara6.store.texts import storable, storable_name

PAGE_MAX = 500
_LISTED = [column for column in executions.c if column.name != "results"]


def execution_row(program: Program, result: ExecutionResult) -> dict[str, Any]:
    """Return the columns that a program and its result fill. Blocking when results are large."""
    error = result.error
    return {
        "code": storable(program.code),
        "language": storable_name(program.language),
        "template": storable_name(result.template),
        "sandbox_id": storable_name(result.sandbox_id),
        "success": result.success,
        "error_name": storable_name(error.name) if error else None,
        "error_value": storable(error.value) if error else None,
        "error_traceback": storable(error.traceback) if error else None,
        "stdout": storable(result.stdout),
        "stderr": storable(result.stderr),
        "truncated": result.truncated,
        "results": to_json(result.results, tuple[ResultItem, ...]),
        "wall_s": result.usage.wall_s,
        "cpu_s": result.usage.cpu_s,
        "memory_peak_bytes": result.usage.memory_peak_bytes,
        "tier": storable_name(program.tier),
        "origin": storable_name(program.origin),
        "prompt_tokens": program.prompt_tokens,
        "completion_tokens": program.completion_tokens,
        "cost_usd": program.cost_usd,
    }


def artefact_rows(result: ExecutionResult, execution_id: str, blobs: Blobs) -> list[dict[str, Any]]:
    """Write the artefacts' files and return their rows. Blocking."""
    return [
        {
            "execution_id": execution_id,
            "position": position,
            "name": storable(artefact.name),
            "mime": storable_name(artefact.mime),
            "size_bytes": len(artefact.content),
            "blob": blobs.put(artefact.content),
        }
        for position, artefact in enumerate(result.artefacts)
    ]


async def insert_execution(
    connection: AsyncConnection, row: dict[str, Any], files: list[dict[str, Any]]
) -> None:
    """Insert one execution with its artefacts."""
    await connection.execute(insert(executions), row)
    if files:
        await connection.execute(insert(artefacts), files)


class Executions:
    """The record of every program that ran."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self,
        execution_id: str,
        program: Program,
        result: ExecutionResult,
        *,
        started_at: datetime,
        finished_at: datetime,
    ) -> None:
        """Store an execution that belongs to no run; those of runs come by their events."""
        times = {"started_at": started_at, "finished_at": finished_at}
        row, files = await asyncio.to_thread(self._rows, execution_id, program, result)
        async with self._database.write() as connection:
            await insert_execution(connection, {**row, **times}, files)

    def _rows(
        self, execution_id: str, program: Program, result: ExecutionResult
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        row = execution_row(program, result) | {"id": execution_id, "run_id": None, "attempt": 1}
        return row, artefact_rows(result, execution_id, self._database.blobs)

    async def list(
        self, which: ExecutionFilter | None = None, *, limit: int = 50, offset: int = 0
    ) -> Page[ExecutionRecord]:
        """Return matching executions, newest first, at most `PAGE_MAX` of them."""
        conditions = _conditions(which)
        newest = executions.c.finished_at.desc(), executions.c.id
        query = select(*_LISTED).where(*conditions).order_by(*newest)
        async with self._database.read() as connection:
            total = await connection.scalar(
                select(func.count()).select_from(executions).where(*conditions)
            )
            rows = await connection.execute(
                query.limit(min(max(limit, 0), PAGE_MAX)).offset(max(offset, 0))
            )
            return Page(tuple(_record(row) for row in rows), total or 0, offset)

    async def get(self, execution_id: str) -> ExecutionRecord:
        """Return one execution with its results and artefacts.

        Raises:
            UnknownRecordError: there is none of that id.
        """
        files = (
            select(artefacts.c.name, artefacts.c.mime, artefacts.c.size_bytes, artefacts.c.blob)
            .where(artefacts.c.execution_id == execution_id)
            .order_by(artefacts.c.position)
        )
        async with self._database.read() as connection:
            found = await connection.execute(
                select(executions).where(executions.c.id == execution_id)
            )
            row = found.one_or_none()
            if row is None:
                raise UnknownRecordError("execution", execution_id)
            kept = await connection.execute(files)
            return _record(row, tuple(ArtefactRecord(*file) for file in kept))

    async def artefact(self, execution_id: str, name: str) -> tuple[ArtefactRecord, bytes]:
        """Return an artefact and its content.

        Raises:
            UnknownRecordError: the execution does not exist or left no such file.
        """
        for artefact in (await self.get(execution_id)).artefacts:
            if artefact.name == name:
                return artefact, await asyncio.to_thread(self._database.blobs.get, artefact.blob)
        raise UnknownRecordError("artefact", name)

    async def stats(self, which: ExecutionFilter | None = None) -> Stats:
        """Count matching executions: success, duration, cost, by template, tier and error."""
        conditions = _conditions(which)
        async with self._database.read() as connection:
            total = (await _tallies(connection, None, conditions)).get("", Tally(0, 0, 0.0, 0.0))
            return Stats(
                overall=total,
                wall_p50_s=await _wall_quantile(connection, conditions, total.total, 0.50),
                wall_p95_s=await _wall_quantile(connection, conditions, total.total, 0.95),
                by_template=await _tallies(connection, executions.c.template, conditions),
                by_tier=await _tallies(connection, executions.c.tier, conditions),
                errors=await _errors(connection, conditions),
            )


def _conditions(which: ExecutionFilter | None) -> list[ColumnElement[bool]]:
    if which is None:
        return []
    column = executions.c
    names = ("run_id", "template", "tier", "language", "origin", "error_name", "success")
    asked = {name: getattr(which, name) for name in names}
    conditions = [column[name] == value for name, value in asked.items() if value is not None]
    if which.since is not None:
        conditions.append(column.finished_at >= which.since)
    if which.until is not None:
        conditions.append(column.finished_at < which.until)
    return conditions


def _record(row: Row[Any], files: tuple[ArtefactRecord, ...] = ()) -> ExecutionRecord:
    values = dict(row._mapping)
    name, value = values.pop("error_name"), values.pop("error_value")
    traceback = values.pop("error_traceback")
    wall_s, cpu_s = values.pop("wall_s"), values.pop("cpu_s")
    memory, results = values.pop("memory_peak_bytes"), values.pop("results", None)
    return ExecutionRecord(
        **values,
        error=None if name is None else ExecutionError(name, value, traceback),
        usage=Usage(wall_s, cpu_s, memory),
        results=from_json(results, tuple[ResultItem, ...]) if results else (),
        artefacts=files,
    )


async def _tallies(
    connection: AsyncConnection,
    group: ColumnElement[str] | None,
    conditions: list[ColumnElement[bool]],
) -> dict[str, Tally]:
    column = executions.c
    figures = (
        func.count(),
        func.sum(cast(column.success, Integer)),
        func.avg(column.wall_s),
        func.sum(column.cost_usd),
    )
    query: Select[Any] = select(*figures).where(*conditions)
    if group is not None:
        query = query.add_columns(group).group_by(group).order_by(group)
    rows = (await connection.execute(query)).all()
    return {
        row[4] if group is not None else "": Tally(row[0], int(row[1]), float(row[2]), row[3])
        for row in rows
        if row[0]
    }


async def _wall_quantile(
    connection: AsyncConnection, conditions: list[ColumnElement[bool]], total: int, share: float
) -> float | None:
    """Return the nearest-rank quantile; the same on every database, without a function of it."""
    if not total:
        return None
    rank = math.ceil(share * total) - 1
    wall = executions.c.wall_s
    query = select(wall).where(*conditions).order_by(wall).offset(rank).limit(1)
    found: float | None = await connection.scalar(query)
    return found


async def _errors(
    connection: AsyncConnection, conditions: list[ColumnElement[bool]]
) -> dict[str, int]:
    name = executions.c.error_name
    query = select(name, func.count()).where(*conditions, name.is_not(None)).group_by(name)
    rows = await connection.execute(query.order_by(func.count().desc(), name).limit(50))
    return {row[0]: row[1] for row in rows}
