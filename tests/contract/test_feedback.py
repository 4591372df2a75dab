"""What users say of answers reaches the router's outcomes and the playbook, once."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from capibara6.ace.curator import Curator
from capibara6.ace.deltas import add
from capibara6.domain.events import (
    Event,
    ExecutionFinished,
    ExecutionStarted,
    ProgramWritten,
    Recalled,
    Routed,
    RunFinished,
    RunStarted,
)
from capibara6.domain.executions import ExecutionResult
from capibara6.domain.playbook import Advice, Bullet
from capibara6.domain.programs import Program
from capibara6.domain.requests import Request, Route
from capibara6.errors import RequestError, UnknownRecordError
from capibara6.feedback import Learnt, take_verdict
from capibara6.store import Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = "a" * 32
LESSON = Bullet(
    id="b" * 32,
    section="api",
    text="np.trapz is gone: np.trapezoid",
    created=NOW,
    trigger="numpy.trapz",
    remedy=("numpy.trapezoid",),
)
PROGRAM = Program("import numpy as np\nprint(np.trapezoid([1, 2]))\n", tier="small", cost_usd=0.5)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path / 'c.db'}", tmp_path)
    await Curator(opened.playbook).commit([add(LESSON)], [LESSON])
    yield opened
    await opened.close()


async def happen(store: Store, *, program: Program = PROGRAM, question: str = "area?") -> None:
    route = Route("describe", "default", program.tier, "en", 0.9)
    events: list[Event] = [
        RunStarted(RUN, Request(RUN, question)),
        Routed(RUN, route),
        Recalled(RUN, 1, (Advice(LESSON.id, "api", LESSON.text, 12),)),
        ProgramWritten(RUN, 1, program),
        ExecutionStarted(RUN, 1, "s", "default"),
        ExecutionFinished(RUN, 1, ExecutionResult(success=True, stdout="1.5")),
        RunFinished(RUN, success=True, answer="1.5", attempts=1, wall_s=0.1),
    ]
    for event in events:
        await store.events.handle(event)


@pytest.mark.parametrize("good", [True, False])
async def test_a_verdict_is_an_outcome_of_tier_and_lesson(store: Store, good: bool) -> None:
    await happen(store)
    assert await take_verdict(store, RUN, good=good) == Learnt("small", 1)
    ((_, found),) = await store.outcomes.after(0, 10)
    assert (found.tier, found.task, found.success) == ("small", "describe", float(good))
    assert (found.question, found.cost_usd) == ("area?", 0.5)
    curator = Curator(store.playbook)
    await curator.refresh()
    entry = curator.playbook.entry(LESSON.id)
    assert entry is not None
    assert entry.helpful == int(good)


async def test_the_first_verdict_counts(store: Store) -> None:
    await happen(store)
    await take_verdict(store, RUN, good=True)
    assert await take_verdict(store, RUN, good=False) == Learnt("", 0)
    ((_, found),) = await store.outcomes.after(0, 10)
    assert found.success == 1


async def test_recipes_are_no_tier_to_learn_of(store: Store) -> None:
    await happen(store, program=Program("print(1)", origin="recipe:x", tier="recipe"))
    assert (await take_verdict(store, RUN, good=False)).tier == ""
    assert await store.outcomes.after(0, 10) == ()


async def test_what_has_no_answer_has_no_verdict(store: Store) -> None:
    with pytest.raises(UnknownRecordError):
        await take_verdict(store, RUN, good=True)
    await store.events.handle(RunStarted(RUN, Request(RUN, "area?")))
    with pytest.raises(RequestError, match="is running"):
        await take_verdict(store, RUN, good=True)


async def test_a_program_of_the_users_own_teaches_nothing(store: Store) -> None:
    await happen(store, question="")
    with pytest.raises(RequestError, match="nothing to learn"):
        await take_verdict(store, RUN, good=True)
