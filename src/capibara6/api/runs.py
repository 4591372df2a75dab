"""Routes that start runs: a program as it is, or a question through the whole pipeline."""

import asyncio
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from capibara6.api.bodies import ExecuteBody, QueryBody, ValidateBody, contents, examples_of
from capibara6.api.event_stream import KEEPALIVE_S, EventStream
from capibara6.api.faults import error_response
from capibara6.api.following import follow
from capibara6.api.links import program_view, question_view
from capibara6.api.services import Parts
from capibara6.api.status import status_of_code
from capibara6.audience import Events
from capibara6.domain.executions import ExecutionRequest
from capibara6.execution.checks import check_request
from capibara6.intake import new_run_id, question_request
from capibara6.outcomes import Outcome
from capibara6.texts import DEFAULT_LANGUAGE
from capibara6.verdicts import described

router = APIRouter()

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "The result, or events of the run."}
}


@router.post("/api/e2b/execute", tags=["runs"], responses=_STREAM)
async def execute(body: ExecuteBody, request: Request, parts: Parts) -> Response:
    """Run a program in a sandbox of its own.

    A program that fails is an answer (200 with `success: false`); an error is what kept it from
    running. `recorded: false` says that the database did not take it: the log says why.
    Disconnecting stops the program and ends its sandbox.
    """
    execution = body.execution()
    check_request(execution, parts.settings)
    run_id = new_run_id()
    events = parts.pipeline.execute(run_id, execution)
    if _wants_stream(request, asked=body.stream):
        return EventStream(events, run_id)
    outcome = await _to_the_end(events, request)
    return _refusal(outcome) or JSONResponse(
        program_view(run_id, outcome, recorded=parts.store.events.recorded(run_id))
    )


@router.post("/api/validate", tags=["runs"])
async def validate(body: ValidateBody, parts: Parts) -> dict[str, Any]:
    """Say what is certainly wrong with a program, and what examples and tests prove of it.

    It is run only for `examples`, `tests` or `run`, and then in a sandbox of its own; no record of
    it is kept.
    """
    claim = body.claim()
    if claim.is_tried:
        execution = ExecutionRequest(
            claim.code, claim.language, claim.template, claim.timeout_s, files=dict(claim.files)
        )
        check_request(execution, parts.settings)
    return described(await parts.prover.judge(claim), DEFAULT_LANGUAGE)


@router.post("/api/query", tags=["runs"], responses=_STREAM)
async def query(body: QueryBody, request: Request, parts: Parts) -> Response:
    """Answer a question by writing and running a program.

    With `stream`, or `Accept: text/event-stream`, the run's events come as they happen.
    Disconnecting cancels the run.
    """
    asked = await asyncio.to_thread(
        question_request,
        body.question,
        contents(body.files),
        parts.settings,
        parts.profile,
        template=body.template,
        tier=body.tier,
        timeout_s=body.timeout,
        candidates=body.candidates,
        examples=examples_of(body.examples),
        tests=body.tests,
    )
    events = parts.pipeline.run(asked)
    if _wants_stream(request, asked=body.stream):
        return EventStream(events, asked.id)
    outcome = await _to_the_end(events, request)
    return _refusal(outcome) or JSONResponse(
        question_view(outcome, recorded=parts.store.events.recorded(asked.id))
    )


def _wants_stream(request: Request, *, asked: bool) -> bool:
    return asked or "text/event-stream" in request.headers.get("accept", "")


async def _to_the_end(events: Events, request: Request) -> Outcome:
    outcome = Outcome()
    async with aclosing(follow(events, request.receive, KEEPALIVE_S)) as followed:
        async for event in followed:
            if event is not None:
                outcome.add(event)
    return outcome


def _refusal(outcome: Outcome) -> Response | None:
    """The error that kept the run from an answer, if there is one; None: there is a result."""
    finished = outcome.finished
    if finished is None:  # the client has gone; nobody reads this
        return Response(status_code=status_of_code("cancelled"))
    status = status_of_code(finished.error_code)
    if status == status_of_code(""):
        return None
    return error_response(status, finished.error_code, finished.error, run_id=finished.run_id)
