"""The listener that learns: from repairs, from successes, and from what advice led to."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from capibara6.ace.attribution import verdict
from capibara6.ace.complaints import error_found
from capibara6.ace.curator import Curator
from capibara6.ace.deltas import RECIPE_ORIGIN, add, outcome
from capibara6.ace.interview import Ask, interview
from capibara6.ace.proven import recipe_of
from capibara6.ace.reflection import Repair, reflect
from capibara6.ace.reuse import ReadTable
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
from capibara6.domain.executions import ExecutionError, ExecutionResult
from capibara6.domain.playbook import Advice, Bullet, Delta
from capibara6.domain.programs import Diagnosis, Finding, Program
from capibara6.domain.requests import Request
from capibara6.inventory import Stock
from capibara6.store import execution_id

INTERVIEWS_MAX = 4  # at once; a repair beyond it goes without
INTERVIEW_S_MAX = 60.0
RUNS_MAX = 10_000  # under way; what a lost run left is forgotten beyond it

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Trial:
    """One attempt as its events told it."""

    advice: tuple[Advice, ...] = ()
    program: Program | None = None
    result: ExecutionResult | None = None
    diagnosis: Diagnosis | None = None
    findings: tuple[Finding, ...] = ()  # of a check that stopped it

    @property
    def error(self) -> ExecutionError | None:
        """How it failed, or would have."""
        return self.result.error if self.result else error_found(self.findings)


@dataclass(slots=True)
class Story:
    """One run."""

    request: Request
    task: str = ""
    language: str | None = None
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
        ask: a model that is asked for lessons where rules find none; None: rules alone.
        clock: the time of day.
        read_table: tells of the data that a recipe was proven on; None: recipes are only advice.
    """

    def __init__(
        self,
        curator: Curator,
        stock: Stock | None = None,
        ask: Ask | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        read_table: ReadTable | None = None,
    ) -> None:
        self._ask = ask
        self._read_table = read_table
        self._interviews: set[asyncio.Task[None]] = set()
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
            if not any(bullet.trigger for bullet in bullets):
                self._interview(event.run_id, story)

    async def close(self) -> None:
        """Wait for the models that are being asked; no longer than `INTERVIEW_S_MAX`."""
        if self._interviews:
            await asyncio.wait(self._interviews)

    def _interview(self, run_id: str, story: Story) -> None:
        """Have a model asked about the run's repair, while other runs go on."""
        repairs = self._repairs(story)
        if self._ask is None or not repairs or len(self._interviews) >= INTERVIEWS_MAX:
            return
        number, repair = repairs[-1]
        work = self._interviewed(self._ask, repair, story.request.question, run_id, number)
        task = asyncio.create_task(work)
        self._interviews.add(task)
        task.add_done_callback(self._interviews.discard)

    async def _interviewed(
        self, ask: Ask, repair: Repair, question: str, run_id: str, number: int
    ) -> None:
        try:
            async with asyncio.timeout(INTERVIEW_S_MAX):
                bullets = await interview(ask, repair, self._clock())
            source = execution_id(run_id, number)
            await self._curator.commit([add(one, question, source) for one in bullets], bullets)
        except Exception:
            # Nobody waits for these lessons: a model that fails has none to give.
            log.exception("the model that reflects on run %s failed", run_id)

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
            if trial.program is None or (trial.result is None and not trial.findings):
                continue  # a lost sandbox or a cancelled run says nothing
            good = story.answered and number == story.last
            for advice in trial.advice:
                entry = self._curator.playbook.entry(advice.bullet_id)
                if entry is not None:
                    said = verdict(entry.bullet, trial.program, trial.error, good)
                    found.append(outcome(entry.bullet.id, run_id, number, said, at))
        return found

    def _learnt(self, story: Story, at: datetime) -> list[tuple[int, Bullet]]:
        """Lessons of the repairs, and the recipe of the program that worked, with attempts."""
        final = story.trials.get(story.last)
        if not story.answered or final is None or final.program is None:
            return []
        found = []
        inventory = self._stock.at_hand if self._stock else None
        for number, repair in self._repairs(story):
            bullet = reflect(repair, inventory, at)
            if bullet is not None:
                found.append((number, bullet))
        told = (story.task, at, story.language, self._read_table)
        recipe = recipe_of(story.request, final.program, final.result, *told)
        return [*found, (story.last, recipe)] if recipe else found

    def _repairs(self, story: Story) -> list[tuple[int, Repair]]:
        """Each failed attempt at a program with the one that then worked, and its number."""
        final = story.trials.get(story.last)
        if not story.answered or final is None or final.program is None:
            return []
        found = []
        for number, trial in story.trials.items():
            error = trial.error
            if trial.program is None or error is None or trial.diagnosis is None:
                continue
            if trial.program.origin.startswith(RECIPE_ORIGIN):
                continue  # what followed is no repair of it
            if {trial.program.language, final.program.language} == {"python"}:
                kind, code = trial.diagnosis.kind, trial.program.code
                data = traits(story.request)
                found.append(
                    (number, Repair(code, final.program.code, kind, error, story.task, data))
                )
        return found


def note(story: Story, event: Event) -> None:
    """Take one event of a run into its story."""
    match event:
        case Routed():
            story.task, story.language = event.route.task, event.route.language
        case Recalled():
            story.trial(event.attempt).advice = event.advice
        case ProgramWritten():
            story.trial(event.attempt).program = event.program
        case Validated():
            story.trial(event.attempt).findings = event.findings
        case ExecutionFinished():
            story.trial(event.attempt).result = event.result
        case RepairStarted():
            story.trial(event.attempt).diagnosis = event.diagnosis
        case RunFinished():
            story.answered = event.success
