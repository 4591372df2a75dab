"""A run's events gathered into one record of what was decided, tried and found."""

from dataclasses import dataclass, field
from typing import Any

from capibara6.domain import events as ev
from capibara6.domain.executions import Artefact, ExecutionResult
from capibara6.domain.playbook import Advice
from capibara6.domain.programs import Diagnosis, Finding, Program
from capibara6.domain.requests import Request, Route
from capibara6.views import view


@dataclass(slots=True)
class Trial:
    """One attempt as its events told it."""

    number: int
    program: Program | None = None
    findings: tuple[Finding, ...] = ()
    result: ExecutionResult | None = None
    diagnosis: Diagnosis | None = None
    advice: tuple[Advice, ...] = ()  # bullets of the playbook that the prompt held
    candidates: tuple[ev.CandidateTried, ...] = ()
    choice: ev.CandidateChosen | None = None

    def add(self, event: ev.CandidateTried | ev.CandidateChosen) -> None:
        """Take what a candidate did, or which one was chosen."""
        if isinstance(event, ev.CandidateTried):
            self.candidates += (event,)
        else:
            self.choice = event


@dataclass(slots=True)
class Outcome:
    """What a run came to; complete when `finished` is set."""

    request: Request | None = None
    route: Route | None = None
    trials: dict[int, Trial] = field(default_factory=dict)
    finished: ev.RunFinished | None = None

    def add(self, event: ev.Event) -> None:
        """Take one event of the run."""
        match event:
            case ev.RunStarted():
                self.request = event.request
            case ev.Routed():
                self.route = event.route
            case ev.Recalled():
                self._trial(event.attempt).advice = event.advice
            case ev.CandidateTried() | ev.CandidateChosen():
                self._trial(event.attempt).add(event)
            case ev.ProgramWritten():
                self._trial(event.attempt).program = event.program
            case ev.Validated():
                self._trial(event.attempt).findings = event.findings
            case ev.ExecutionFinished():
                self._trial(event.attempt).result = event.result
            case ev.RepairStarted():
                self._trial(event.attempt).diagnosis = event.diagnosis
            case ev.RunFinished():
                self.finished = event

    @property
    def result(self) -> ExecutionResult | None:
        """What the last program that ran left."""
        results = [trial.result for trial in self.trials.values() if trial.result]
        return results[-1] if results else None

    @property
    def artefacts(self) -> tuple[Artefact, ...]:
        """The files and figures of the last program that ran."""
        return self.result.artefacts if self.result else ()

    def as_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        finished = view(self.finished) if self.finished else {}
        return {
            "run_id": finished.get("run_id"),
            "success": finished.get("success"),
            "answer": finished.get("answer"),
            "error": _error(self.finished),
            "wall_s": finished.get("wall_s"),
            "route": view(self.route),
            "attempts": [view(trial) for trial in self.trials.values()],
        }

    def _trial(self, number: int) -> Trial:
        return self.trials.setdefault(number, Trial(number))


def _error(finished: ev.RunFinished | None) -> dict[str, str] | None:
    if finished is None or not finished.error_code:
        return None
    return {"code": finished.error_code, "message": finished.error}
