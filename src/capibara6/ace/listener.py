"""The listener that keeps failed programs, why they failed, and what repaired them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from capibara6.ace.deltas import RECIPE_ORIGIN
from capibara6.domain.events import (
    Event,
    ExecutionFinished,
    ProgramWritten,
    RepairStarted,
    Routed,
    RunFinished,
    RunStarted,
    Validated,
)
from capibara6.domain.programs import Diagnosis, Program
from capibara6.store import Lesson, Lessons


@dataclass(slots=True)
class _Run:
    task: str = ""
    template: str = ""
    programs: dict[int, Program] = field(default_factory=dict)  # by attempt
    errors: dict[int, str] = field(default_factory=dict)  # what sandbox or validator said
    diagnoses: dict[int, Diagnosis] = field(default_factory=dict)
    succeeded: int | None = None  # the attempt


class LessonListener:
    """Stores, at the end of a run, one lesson for each attempt that failed with a diagnosis."""

    def __init__(
        self, lessons: Lessons, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._lessons = lessons
        self._clock = clock
        self._runs: dict[str, _Run] = {}

    async def handle(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, RunStarted):
            self._runs[event.run_id] = _Run()
        run = self._runs.get(event.run_id)
        if run is None:
            return
        _note(run, event)
        if isinstance(event, RunFinished):
            del self._runs[event.run_id]
            await self._lessons.add(self._lessons_of(event.run_id, run))

    def _lessons_of(self, run_id: str, run: _Run) -> list[Lesson]:
        repaired = run.programs.get(run.succeeded) if run.succeeded else None
        return [
            Lesson(
                run_id=run_id,
                at=self._clock(),
                task=run.task,
                template=run.template,
                attempt=attempt,
                kind=diagnosis.kind,
                cause=diagnosis.cause,
                hint=diagnosis.hint,
                error=run.errors.get(attempt, ""),
                failed_code=run.programs[attempt].code,
                failed_origin=run.programs[attempt].origin,
                repaired_code=repaired.code if repaired else None,
                repaired_origin=repaired.origin if repaired else None,
            )
            for attempt, diagnosis in run.diagnoses.items()
            if attempt in run.programs
        ]


def _note(run: _Run, event: Event) -> None:
    if isinstance(event, Routed):
        run.task, run.template = event.route.task, event.route.template
    elif isinstance(event, ProgramWritten):
        run.programs[event.attempt] = event.program
    elif isinstance(event, Validated) and event.findings:
        messages = (f"{item.line}: {item.code} {item.message}" for item in event.findings)
        run.errors[event.attempt] = "\n".join(messages)
    elif isinstance(event, ExecutionFinished) and event.result.error is not None:
        run.errors[event.attempt] = event.result.error.traceback
    elif isinstance(event, ExecutionFinished) and event.result.success:
        run.succeeded = event.attempt
    elif isinstance(event, RepairStarted) and not _is_recipe(run.programs.get(event.attempt)):
        run.diagnoses[event.attempt] = event.diagnosis


def _is_recipe(program: Program | None) -> bool:
    """Whether a program came out of the playbook: what follows it is no repair of it."""
    return program is not None and program.origin.startswith(RECIPE_ORIGIN)
