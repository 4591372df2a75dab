"""The listener that turns runs into outcomes of tiers, and lets the learner see them."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from capibara6.domain.events import (
    CandidateChosen,
    CandidateTried,
    Event,
    ExecutionFinished,
    ProgramWritten,
    RepairStarted,
    Routed,
    RunFinished,
    RunStarted,
    Validated,
)
from capibara6.routing.arms import arm
from capibara6.routing.features import shortened
from capibara6.routing.learner import Learner
from capibara6.routing.router import RECIPE
from capibara6.store import TierOutcome, TierOutcomes

REPAIRED_SUCCESS: Final = 0.5  # of a tier that was right only after it saw its error


@dataclass(slots=True)
class _Trial:
    """What one tier did in a run."""

    programs: int = 0
    judged: bool = False  # its last program was found wrong, or ran
    success: float = 0.0
    cost_usd: float = 0.0


@dataclass(slots=True)
class _Run:
    question: str
    task: str = ""
    arm: str = ""  # of the program that is being tried
    count: int = 1  # of candidates that it was chosen among
    kept: bool = True  # False: it does not do what the user asks of it
    trials: dict[str, _Trial] = field(default_factory=dict)


def outcome_id(run_id: str, tier: str) -> str:
    """The id of a tier's outcome in a run."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"tier-outcome/{run_id}/{tier}").hex


class OutcomeListener:
    """Stores, at the end of a run, what each model tier achieved.

    A program that a check or the sandbox found wrong is a failure that shows; one that a cancelled
    run, a lost sandbox or an unreachable model left untried says nothing about its tier.

    Args:
        outcomes: where they are stored.
        learner: learns from them.
        excuses: whether failures by what is outdated say nothing about a tier either, as the
            playbook tells every tier of them.
        clock: tells the time.
    """

    def __init__(
        self,
        outcomes: TierOutcomes,
        learner: Learner,
        *,
        excuses: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._outcomes = outcomes
        self._learner = learner
        self._excuses = excuses
        self._clock = clock
        self._runs: dict[str, _Run] = {}

    async def handle(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, RunStarted) and event.request.question:
            self._runs[event.run_id] = _Run(event.request.question)
        run = self._runs.get(event.run_id)
        if run is None:
            return
        _note(run, event)
        if isinstance(event, RepairStarted):
            _note_repair(run, excused=self._excuses and event.diagnosis.is_outdated)
        if isinstance(event, RunFinished):
            del self._runs[event.run_id]
            await self._outcomes.add(self._outcomes_of(event.run_id, run))
            await self._learner.refresh()

    def _outcomes_of(self, run_id: str, run: _Run) -> list[TierOutcome]:
        return [
            TierOutcome(
                id=outcome_id(run_id, tier),
                at=self._clock(),
                question=shortened(run.question),
                task=run.task,
                tier=tier,
                success=trial.success,
                cost_usd=trial.cost_usd,
            )
            for tier, trial in run.trials.items()
            if trial.judged and tier != RECIPE
        ]


def _note(run: _Run, event: Event) -> None:
    if isinstance(event, Routed):
        run.task = event.route.task
        return
    if isinstance(event, CandidateTried | CandidateChosen):
        _note_search(run, event)
        return
    if isinstance(event, ProgramWritten):
        run.arm = arm(event.program.tier, run.count)
        trial = run.trials.setdefault(run.arm, _Trial())
        trial.programs += 1
        trial.cost_usd += event.program.cost_usd
        return
    trial = run.trials.get(run.arm) or _Trial()
    if isinstance(event, Validated) and event.findings:
        trial.judged = True
    elif isinstance(event, ExecutionFinished):
        trial.judged = True
        if event.result.success and run.kept:
            trial.success = 1.0 if trial.programs == 1 else REPAIRED_SUCCESS


def _note_repair(run: _Run, *, excused: bool) -> None:
    trial = run.trials.get(run.arm) or _Trial()
    trial.success = 0.0  # it failed, or ran and left nothing to show
    if excused:
        trial.programs, trial.judged = trial.programs - 1, False
    run.count, run.kept = 1, True


def _note_search(run: _Run, event: CandidateTried | CandidateChosen) -> None:
    """A search teaches of two arms: of itself, and of the first program alone."""
    if isinstance(event, CandidateChosen):
        run.count, run.kept = event.count, event.kept
    elif event.candidate == 1 and event.program and event.program.tier not in run.trials:
        right = event.success and event.examples_held == event.examples
        success, cost_usd = (1.0 if right else 0.0), event.program.cost_usd
        run.trials[event.program.tier] = _Trial(1, judged=True, success=success, cost_usd=cost_usd)
