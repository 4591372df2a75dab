"""The playbook while runs go on: what they learn, are told, and what it costs when it fails."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from capibara6.ace import Curator, PlaybookListener, Recaller
from capibara6.ace.deltas import add, outcome
from capibara6.ace.interview import checked
from capibara6.ace.reflection import Repair
from capibara6.domain.events import (
    Event,
    ExecutionFinished,
    ProgramWritten,
    RepairStarted,
    RunFinished,
    RunStarted,
    Validated,
)
from capibara6.domain.executions import ExecutionError, ExecutionResult
from capibara6.domain.playbook import Advice
from capibara6.domain.programs import Diagnosis, Finding, Program
from capibara6.domain.requests import Request
from capibara6.store import Store
from scripted_ports import (
    GOOD,
    ScriptedExecutor,
    ScriptedRouter,
    ScriptedWriter,
    collect,
    names,
    pipeline,
    question,
)
from support.lessons import GONE, IDS, LESSON, NEW, NOW, OLD, ROUTE, at, bullet
from support.reuse import recipe
from support.reuse_pairs import MAY


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path / 'test.db'}", tmp_path)
    yield opened
    await opened.close()


class Names(ScriptedWriter):
    """Writes what the lesson says when it is told."""

    async def write(self, request, route, failure=None, advice=()):  # type: ignore[no-untyped-def]
        self.script = [NEW if advice or failure else OLD]
        async for piece in super().write(request, route, failure, advice):
            yield piece


class Trapezoid(ScriptedExecutor):
    async def execute(self, request):  # type: ignore[no-untyped-def]
        bad = ExecutionResult(success=False, error=GONE)
        self.outcomes = [bad if "trapz" in request.code else GOOD]
        async for item in super().execute(request):
            yield item


async def diagnosed(*_: object) -> Diagnosis:
    return Diagnosis("attribute_removed", "cause", "hint")


async def test_a_lesson_learnt_once_saves_the_next_run(store: Store) -> None:
    curator = Curator(store.playbook)
    recaller = Recaller(curator, None, 600)
    run = pipeline(
        [Names("fast")],
        Trapezoid(),
        router=ScriptedRouter(),
        sinks=[store.events, PlaybookListener(curator)],
    )
    run._diagnose, run._memory = diagnosed, recaller
    first = await collect(run.run(Request("1" * 32, "area under the curve")))
    assert first[-1].attempts == 2
    other = Curator(store.playbook)  # another process
    recaller._curator = other
    second = await collect(run.run(Request("2" * 32, "integral: the area under the samples")))
    assert "Recalled" in names(second)
    assert second[-1].attempts == 1
    entry = curator.playbook.entries()[0]
    assert (entry.bullet.trigger, entry.helpful) == ("numpy.trapz", 1)
    assert entry.sources


SAMPLE = Repair(
    "import random\nprint(random.sample({1}, 1))",
    "import random\nprint(random.sample(sorted({1}), 1))",
    "unknown_key",
    ExecutionError("TypeError", "Population must be a sequence", "Cell In[1], line 2"),
)


def lessons(*found: object) -> str:
    return f"Here they are: {json.dumps({'lessons': found})}"


def test_a_models_lessons_are_checked_against_what_happened() -> None:
    good = {
        "section": "api",
        "text": " random.sample\nwants a sequence ",
        "trigger": "",
        "remedy": [],
    }
    right = {"section": "api", "text": "t", "trigger": "numpy.trapz", "remedy": ["numpy.trapezoid"]}
    repair = Repair(OLD, NEW, "attribute", GONE)
    found = checked(lessons(good, right), repair, NOW)
    assert [one.text for one in found] == ["random.sample wants a sequence", "t"]
    assert LESSON is not None
    assert found[1].id == LESSON.id  # as the rules would have it
    assert {one.origin for one in found} == {"model"}
    for wrong in (
        {**right, "trigger": "numpy.mean"},  # it was not there
        {**right, "remedy": ["numpy.integrate"]},  # it did not mend it
        {**right, "remedy": []},
        {**good, "section": "poetry"},
        {**good, "text": ["x"]},
    ):
        assert checked(lessons(wrong), repair, NOW) == []
    for answer in ("", "no JSON", "{", '{"lessons": 3}', "[1]", '{"lessons": [1, null]}'):
        assert checked(answer, repair, NOW) == []
    assert len(checked(lessons(*[{**good, "text": str(n)} for n in range(9)]), repair, NOW)) == 3


async def test_a_model_is_asked_where_rules_find_nothing(store: Store) -> None:
    asked: list[str] = []

    async def ask(prompt: str) -> str:
        asked.append(prompt)
        return lessons({"section": "strategy", "text": "Sort a set first", "trigger": ""})

    curator = Curator(store.playbook)
    listener = PlaybookListener(curator, None, ask)
    for event in run_of(SAMPLE):
        await listener.handle(event)
    await listener.close()
    assert "Population must be a sequence" in asked[0]
    assert [entry.bullet.text for entry in curator.playbook.entries()] == ["Sort a set first"]


async def test_a_model_that_fails_teaches_nothing(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask(prompt: str) -> str:
        raise OSError("gone")

    listener = PlaybookListener(Curator(store.playbook), None, ask)
    for event in run_of(SAMPLE):
        await listener.handle(event)
    await listener.close()
    assert "that reflects on run" in caplog.text


def run_of(repair: Repair) -> list[Event]:
    run, bad = "3" * 32, ExecutionResult(success=False, error=repair.error)
    return [
        RunStarted(run, Request(run, "a question")),
        ProgramWritten(run, 1, Program(repair.failed)),
        ExecutionFinished(run, 1, bad),
        RepairStarted(run, 1, Diagnosis(repair.kind, "cause", "hint"), "fast"),
        ProgramWritten(run, 2, Program(repair.mended)),
        ExecutionFinished(run, 2, GOOD),
        RunFinished(run, success=True, answer="1", attempts=2, wall_s=1.0),
    ]


class BrokenMemory:
    async def recall(self, *_: object) -> tuple[Advice, ...]:
        raise OSError("disk full")


async def test_a_broken_playbook_costs_no_run(caplog: pytest.LogCaptureFixture) -> None:
    run = pipeline([ScriptedWriter("fast", "print(42)")], ScriptedExecutor(GOOD))
    run._memory = BrokenMemory()
    events = await collect(run.run(question()))
    assert events[-1].success
    assert "goes on without advice" in caplog.text


async def test_advice_keeps_to_its_budget_by_value(store: Store) -> None:
    curator = Curator(store.playbook)
    bullets = [bullet(n, f"Average by group number {n}: use mean") for n in range(3)]
    proof = [outcome(IDS[1], f"run {n}", 1, "helpful", at(n)) for n in range(5)]
    await curator.commit([*(add(one) for one in bullets), *proof])
    request = Request("0" * 32, "average by group")
    all_of_them = Recaller(curator, None, 600).chosen(request, ROUTE)
    assert len(all_of_them) == 3
    assert all_of_them[0].bullet_id == IDS[1]
    one = Recaller(curator, None, all_of_them[0].tokens).chosen(request, ROUTE)
    assert [advice.bullet_id for advice in one] == [IDS[1]]
    assert Recaller(curator, None, 0).chosen(request, ROUTE) == ()
    assert await Recaller(curator, None, 600).recall(request, ROUTE, "recipe") == ()


async def test_what_a_check_finds_teaches_as_well(store: Store) -> None:
    curator = Curator(store.playbook)
    listener = PlaybookListener(curator)
    message = "`numpy` has no `trapz` (numpy 2.4.6)"
    events = run_of(Repair(OLD, NEW, "missing_name", GONE))
    events[2] = Validated("3" * 32, 1, (Finding("no-name", message, 2, 8),))
    for event in events:
        await listener.handle(event)
    entry = curator.playbook.entries()[0]
    assert LESSON is not None
    assert entry.bullet.id == LESSON.id
    assert entry.bullet.text.startswith("`np.trapz` is gone; use `np.trapezoid`.")


async def test_what_means_the_same_is_joined(store: Store) -> None:
    curator = Curator(store.playbook)
    text = "Pass numeric_only=True when you take the mean of a whole table with text columns"
    first = bullet(0, text)
    await curator.commit([add(first)], [first])
    second = bullet(1, f"{text}.")
    await curator.commit([add(second)], [second])
    third = bullet(2, "Close figures after saving them")
    await curator.commit([add(third)], [third])
    entries = curator.playbook.entries()
    assert sorted(len(entry.aliases) for entry in entries) == [0, 1]
    assert len(curator.index) == 2  # none is told twice


async def test_the_least_valuable_make_room(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capibara6.ace.curator.BULLETS_MAX", 2)
    monkeypatch.setattr("capibara6.ace.curator._PRUNE_EVERY", 0)
    curator = Curator(store.playbook)
    texts = ("close figures", "average by group", "parse dates", "sort rows")
    helpful = [outcome(IDS[n], "run", 1, "helpful", NOW) for n in (1, 3)]
    await curator.commit([*(add(bullet(n, text)) for n, text in enumerate(texts)), *helpful])
    active = [entry.bullet.id for entry in curator.playbook.entries() if entry.status == "active"]
    assert sorted(active) == [IDS[1], IDS[3]]
    assert len(curator.playbook.entries()) == 4  # their records stay


async def test_a_reset_is_noticed(store: Store) -> None:
    curator = Curator(store.playbook)
    await curator.commit([add(bullet(0))])
    await store.playbook.clear()
    await curator.refresh()
    assert curator.playbook.entries() == []
    assert len(curator.index) == 0
    await curator.commit([add(bullet(0))])
    assert len(curator.playbook.entries()) == 1


async def test_recipes_are_joined_where_they_answer_the_same(store: Store) -> None:
    curator = Curator(store.playbook)
    asked, told = recipe(MAY[0][0]), recipe(MAY[7][0])  # two programs for the same
    (test,) = told.tests
    unproven = replace(told, id=IDS[0], tests=())
    other_words = replace(told, id=IDS[1], tests=({**test, "form": ["=median"]},))
    other_language = replace(told, id=IDS[2], tests=({**test, "language": "es"},))
    other_table = replace(told, id=IDS[3], tests=({**test, "files": []},))
    for one in (asked, told, unproven, other_words, other_language, other_table):
        await curator.commit([add(one)], [one])
    assert curator.playbook.root(asked.id) == curator.playbook.root(told.id)
    assert len({curator.playbook.root(name) for name in (told.id, *IDS)}) == 5
    assert len(curator.recipes) == 5
