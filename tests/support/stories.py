"""Runs as events tell them, for the store."""

from datetime import UTC, datetime, timedelta

from capibara6.domain.events import (
    Event,
    ExecutionFinished,
    ExecutionStarted,
    Output,
    ProgramChunk,
    ProgramWritten,
    RepairStarted,
    ResultShown,
    Routed,
    RunFinished,
    RunStarted,
    Validated,
)
from capibara6.domain.executions import (
    Artefact,
    ExecutionError,
    ExecutionResult,
    OutputChunk,
    ResultItem,
    Usage,
)
from capibara6.domain.programs import Diagnosis, Finding, Program
from capibara6.domain.requests import Column, DataFile, Request, Route
from capibara6.store import Store

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def story(run_id: str) -> list[Event]:
    """A run that fails once, is repaired and succeeds, with everything awkward in it."""
    request = Request(
        run_id,
        "¿Cuántas películas? 🎬 \ud800 a\0b",
        (DataFile("films.csv", b"a,b\n" * 5000, (Column("a", "number", 2, ("1",)),)),),
        timeout_s=5.0,
    )
    first = Program(
        "print(x", origin="model:m", tier="fast_response", prompt_tokens=7, cost_usd=0.5
    )
    second = Program("print(1)\0", origin="model:l", tier="balanced", completion_tokens=9)
    failed = ExecutionResult(
        success=False,
        stderr="boom\0\ud800",
        error=ExecutionError("KeyError" * 100, "'x'", "Traceback\0"),
        usage=Usage(0.25, 0.125, 10**10),
        sandbox_id="s1",
        template="default",
    )
    shown = ResultItem(
        {"text/plain": "1", "e2b/data": {"x": [float("inf"), 2]}}, is_main_result=True
    )
    done = ExecutionResult(
        success=True,
        stdout="x" * 50,
        results=(shown,),
        artefacts=(Artefact("plot.png", "image/png", b"\x89PNG" * 3000), Artefact("e", "t", b"")),
        usage=Usage(0.75),
        sandbox_id="s2",
        template="data_analysis",
    )
    return [
        RunStarted(run_id, request),
        Routed(run_id, Route("describe", "default", "fast_response", "es", 0.75, ("why",))),
        ProgramChunk(run_id, 1, "print"),
        ProgramChunk(run_id, 1, "(x"),
        ProgramWritten(run_id, 1, first),
        Validated(run_id, 1, (Finding("E9", "message", 1, 2),)),
        ExecutionStarted(run_id, 1, "s1", "default"),
        Output(run_id, 1, OutputChunk("stderr", "boom\0")),
        ExecutionFinished(run_id, 1, failed),
        RepairStarted(run_id, 1, Diagnosis("unknown_column", "cause", "hint"), "balanced"),
        ProgramWritten(run_id, 2, second),
        ExecutionStarted(run_id, 2, "s2", "data_analysis"),
        ResultShown(run_id, 2, shown),
        ExecutionFinished(run_id, 2, done),
        RunFinished(run_id, True, "It is 1.\0", 2, 1.5),
    ]


async def tell(store: Store, events: list[Event]) -> None:
    for event in events:
        await store.events.handle(event)
