"""Routes to what was recorded: executions, runs with their events, artefacts."""

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query
from pydantic import AwareDatetime
from starlette.responses import Response

from capibara6.api.bodies import VerdictBody
from capibara6.api.links import listed_view, record_view
from capibara6.api.services import Parts
from capibara6.feedback import take_verdict
from capibara6.store import ExecutionFilter
from capibara6.views import event_view, view

router = APIRouter(tags=["records"])

Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0, le=2**31 - 1)]


@router.get("/api/executions")
async def executions(
    parts: Parts,
    limit: Limit = 50,
    offset: Offset = 0,
    run_id: str | None = None,
    template: str | None = None,
    tier: str | None = None,
    language: str | None = None,
    origin: str | None = None,
    error_name: str | None = None,
    success: bool | None = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
) -> dict[str, Any]:
    """Executions, newest first; times are those at which they finished."""
    which = _filter(
        run_id=run_id,
        template=template,
        tier=tier,
        language=language,
        origin=origin,
        error_name=error_name,
        success=success,
        since=since,
        until=until,
    )
    page = await parts.store.executions.list(which, limit=limit, offset=offset)
    items = [listed_view(record) for record in page.items]
    return {"items": items, "total": page.total, "offset": page.offset}


@router.get("/api/executions/{execution_id}")
async def execution(execution_id: str, parts: Parts) -> dict[str, Any]:
    """One execution with its results; artefacts by their addresses."""
    return record_view(await parts.store.executions.get(execution_id))


@router.get("/api/executions/{execution_id}/artefacts/{name:path}", response_class=Response)
async def artefact(execution_id: str, name: str, parts: Parts) -> Response:
    """The bytes of a file or figure."""
    record, content = await parts.store.executions.artefact(execution_id, name)
    # Programs made these: a browser must neither guess a type nor run what they hold as ours.
    headers = {
        "content-disposition": f"attachment; filename*=utf-8''{quote(record.name, safe='')}",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox",
    }
    return Response(content, media_type=record.mime, headers=headers)


@router.get("/api/runs")
async def runs(parts: Parts, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """Runs, newest first."""
    page = await parts.store.runs.list(limit=limit, offset=offset)
    return {"items": view(page.items), "total": page.total, "offset": page.offset}


@router.get("/api/runs/{run_id}")
async def run(run_id: str, parts: Parts) -> dict[str, Any]:
    """One run with all its events, in their order, for replay."""
    record = await parts.store.runs.get(run_id)
    events = [event_view(event) async for event in parts.store.runs.replay(run_id)]
    return {**view(record), "events": events}


@router.post("/api/runs/{run_id}/verdict")
async def verdict(run_id: str, body: VerdictBody, parts: Parts) -> dict[str, Any]:
    """Say whether an answer was right, for the router and the playbook to learn from.

    The first verdict on a run counts; `tier` is empty where it was counted for none.
    """
    return view(await take_verdict(parts.store, run_id, good=body.good))  # type: ignore[no-any-return]


def _filter(
    *, since: datetime | None, until: datetime | None, success: bool | None, **names: str | None
) -> ExecutionFilter:
    return ExecutionFilter(since=since, until=until, success=success, **names)
