"""What a user says of an answer: it is learnt from, beside what showed by itself.

A program can run without an error and yet answer wrongly; only who asked knows. The router counts
the verdict as one more outcome of the tier that wrote the program, the playbook as one more of the
lessons that program followed.
"""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from capibara6.ace.attribution import verdict
from capibara6.ace.curator import Curator
from capibara6.ace.deltas import HARMFUL, HELPFUL, outcome
from capibara6.domain.events import (
    CandidateChosen,
    Event,
    ExecutionFinished,
    ProgramWritten,
    Recalled,
    RunStarted,
)
from capibara6.domain.executions import ExecutionResult
from capibara6.domain.playbook import Advice
from capibara6.domain.programs import Program
from capibara6.errors import RequestError
from capibara6.routing.arms import arm
from capibara6.routing.features import shortened
from capibara6.routing.router import RECIPE
from capibara6.store import RunRecord, Store, TierOutcome, execution_id
from capibara6.store.events import utc_now
from capibara6.store.states import RunState

_USERS: Final = 0  # in place of an attempt's number


@dataclass(slots=True)
class _Story:
    question: str = ""
    program: Program | None = None  # the last
    count: int = 1  # of candidates that it was chosen among
    result: ExecutionResult | None = None
    advice: dict[int, tuple[Advice, ...]] = field(default_factory=dict)  # by attempt
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a verdict was counted for."""

    tier: str  # "" for none: no model wrote the program, or it was counted before
    bullets: int


async def take_verdict(store: Store, run_id: str, *, good: bool) -> Learnt:
    """Learn from a user's verdict on a run; the first one of a run counts.

    Raises:
        UnknownRecordError: there is no such run.
        RequestError: it gave no answer that could be right or wrong.
    """
    run = await store.runs.get(run_id)
    if run.state is not RunState.SUCCEEDED:
        raise RequestError(f"run {run_id} is {run.state}: a verdict is on an answer")
    story = _Story()
    async for event in store.runs.replay(run_id):
        _note(story, event)
    if story.program is None or not story.question:
        raise RequestError(f"run {run_id} answered no question with a program: nothing to learn")
    at = utc_now()
    tier = await _teach_router(store, run, story, at, good=good)
    return Learnt(tier, await _teach_playbook(store, run_id, story, at, good=good))


def _note(story: _Story, event: Event) -> None:
    if isinstance(event, RunStarted):
        story.question = event.request.question
    elif isinstance(event, Recalled):
        story.advice[event.attempt] = event.advice
    elif isinstance(event, ProgramWritten):
        if event.attempt != story.attempt:
            story.count = 1
        story.program, story.attempt = event.program, event.attempt
    elif isinstance(event, CandidateChosen):
        story.count, story.attempt = event.count, event.attempt
    elif isinstance(event, ExecutionFinished):
        story.result = event.result


async def _teach_router(
    store: Store, run: RunRecord, story: _Story, at: datetime, *, good: bool
) -> str:
    program = story.program
    if program is None or program.tier in ("", RECIPE):
        return ""
    name = arm(program.tier, story.count)
    found = TierOutcome(
        id=uuid.uuid5(uuid.NAMESPACE_OID, f"user-verdict/{run.id}").hex,
        at=at,
        question=shortened(story.question),
        task=run.task or "",
        tier=name,
        success=float(good),
        cost_usd=program.cost_usd,
    )
    return name if await store.outcomes.add([found]) else ""


async def _teach_playbook(
    store: Store, run_id: str, story: _Story, at: datetime, *, good: bool
) -> int:
    if story.program is None:
        return 0
    curator = Curator(store.playbook)
    await curator.refresh()
    advice = story.advice.get(story.attempt, ())
    entries = [curator.playbook.entry(one.bullet_id) for one in advice]
    changes = [
        outcome(entry.bullet.id, run_id, _USERS, said, at)
        for entry in entries
        if entry is not None
        for said in (verdict(entry.bullet, story.program, story.result, good),)
    ]
    told = {change.bullet for change in changes}
    made = [name for name in _made_of(curator, run_id, story.attempt) if name not in told]
    said = HELPFUL if good else HARMFUL
    return await curator.commit(
        [*changes, *(outcome(name, run_id, _USERS, said, at) for name in made)]
    )


def _made_of(curator: Curator, run_id: str, attempt: int) -> list[str]:
    """The recipes that the judged program became: a wrong one must answer nobody else."""
    source = execution_id(run_id, attempt)
    entries = (curator.active(group) for group in sorted(curator.recipes))
    return [one.bullet.id for one in entries if one and source in one.sources]
