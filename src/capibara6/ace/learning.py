"""The listener that learns: from repairs, from successes, and from what advice led to."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from capibara6.ace.attribution import verdict
from capibara6.ace.curator import Curator
from capibara6.ace.deltas import add, outcome
from capibara6.ace.proven import recipe_of
from capibara6.ace.reflection import Repair, reflect
from capibara6.ace.traits import traits
from capibara6.domain.events import (
    Event,
    ExecutionFinished,
    ProgramWritten,
    Recalled,
    RepairStarted,
    Routed,
    RunFinished,
    RunStarted,
    Validated,
)
from capibara6.domain.executions import ExecutionResult
from capibara6.domain.playbook import Advice, Bullet, Delta
from capibara6.domain.programs import Diagnosis, Program
from capibara6.domain.requests import Request
from capibara6.inventory import Stock
from capibara6.store import execution_id

MODEL_ORIGIN = "model:"
RUNS_MAX = 10_000  # under way; what a lost run left is forgotten beyond it

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Trial:
    """One attempt as its events told it."""

    advice: tuple[Advice, ...] = ()
    program: Program | None = None
    result: ExecutionResult | None = None
    diagnosis: Diagnosis | None = None
    refused: bool = False  # by a check


@dataclass(slots=True)
class Story:
    """One run."""

    request: Request
    task: str = ""
    trials: dict[int, Trial] = field(default_factory=dict)
    answered: bool = False

    def trial(self, number: int) -> Trial:
        """The attempt of that number."""
        return self.trials.setdefault(number, Trial())

    @property
    def last(self) -> int:
        """The number of the last attempt; 0 when there is none."""
        return max(self.trials, default=0)


class PlaybookListener:
    """Turns each finished run into deltas of the playbook.

    Args:
        curator: takes them.
        stock: of the template, for versions; None: lessons name none.
        clock: the time of day.
    """

    def __init__(
        self,
        curator: Curator,
        stock: Stock | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._curator = curator
        self._stock = stock
        self._clock = clock
        self._stories: dict[str, Story] = {}

    async def handle(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, RunStarted) and event.request.question:
            while len(self._stories) >= RUNS_MAX:
                del self._stories[next(iter(self._stories))]
            self._stories[event.run_id] = Story(event.request)
        story = self._stories.get(event.run_id)
        if story is None:
            return
        note(story, event)
        if isinstance(event, RunFinished):
            del self._stories[event.run_id]
            bullets, changes = self.deltas_of(event.run_id, story)
            if changes:
                await self._curator.commit(changes, bullets)

    def deltas_of(self, run_id: str, story: Story) -> tuple[list[Bullet], list[Delta]]:
        """What a run teaches: new bullets, and all changes of the playbook."""
        at = self._clock()
        bullets, changes = [], self._outcomes(run_id, story, at)
        for number, bullet in self._learnt(story, at):
            source = execution_id(run_id, number)
            bullets.append(bullet)
            changes.append(add(bullet, story.request.question, source))
        return bullets, changes

    def _outcomes(self, run_id: str, story: Story, at: datetime) -> list[Delta]:
        """Of each bullet in each prompt."""
        found = []
        for number, trial in story.trials.items():
            if trial.program is None or (trial.result is None and not trial.refused):
                continue  # a lost sandbox or a cancelled run says nothing
            good = story.answered and number == story.last
            for advice in trial.advice:
                entry = self._curator.playbook.entry(advice.bullet_id)
                if entry is not None:
                    said = verdict(entry.bullet, trial.program, trial.result, good)
                    found.append(outcome(entry.bullet.id, run_id, number, said, at))
        return found

    def _learnt(self, story: Story, at: datetime) -> list[tuple[int, Bullet]]:
        """Lessons of the repairs, and the recipe of the program that worked, with attempts."""
        final = story.trials.get(story.last)
        if not story.answered or final is None or final.program is None:
            return []
        found = []
        for number, trial in story.trials.items():
            bullet = self._lesson(trial, final.program, story, at)
            if bullet is not None:
                found.append((number, bullet))
        recipe = recipe_of(story.request, final.program, final.result, story.task, at)
        return [*found, (story.last, recipe)] if recipe else found

    def _lesson(self, trial: Trial, mended: Program, story: Story, at: datetime) -> Bullet | None:
        error = trial.result.error if trial.result else None
        if trial.program is None or error is None or trial.diagnosis is None:
            return None
        if {trial.program.language, mended.language} != {"python"}:
            return None
        repair = Repair(
            failed=trial.program.code,
            mended=mended.code,
            kind=trial.diagnosis.kind,
            error=error,
            task=story.task,
            traits=traits(story.request),
        )
        inventory = self._stock.at_hand if self._stock else None
        return reflect(repair, inventory, at)


def note(story: Story, event: Event) -> None:
    """Take one event of a run into its story."""
    match event:
        case Routed():
            story.task = event.route.task
        case Recalled():
            story.trial(event.attempt).advice = event.advice
        case ProgramWritten():
            story.trial(event.attempt).program = event.program
        case Validated():
            story.trial(event.attempt).refused = bool(event.findings)
        case ExecutionFinished():
            story.trial(event.attempt).result = event.result
        case RepairStarted():
            story.trial(event.attempt).diagnosis = event.diagnosis
        case RunFinished():
            story.answered = event.success
