"""The playbook: a function of a set of deltas; lessons out of repairs; advice within a budget."""

import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capibara6.ace import Curator, PlaybookListener, Recaller
from capibara6.ace.attribution import verdict
from capibara6.ace.deltas import add, delta_of, line_of, merge, outcome, remove, update
from capibara6.ace.interview import checked
from capibara6.ace.playbook import Playbook
from capibara6.ace.proven import parametrised, with_parameters, without_parameters
from capibara6.ace.reflection import Repair, reflect
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
from capibara6.domain.playbook import Advice, Bullet, Delta
from capibara6.domain.programs import Diagnosis, Finding, Program
from capibara6.domain.requests import Column, DataFile, Request, Route
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

NOW = datetime(2026, 1, 1, tzinfo=UTC)
IDS = [f"{number:032x}" for number in range(4)]
ROUTE = Route("describe", "default", "fast", "en", 0.9)


def bullet(number: int, text: str = "", **fields: object) -> Bullet:
    options = {"section": "api", "text": text or f"lesson {number}", "created": NOW, **fields}
    return Bullet(IDS[number], **options)  # type: ignore[arg-type]


def at(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


SECONDS = st.integers(0, 5)
NUMBERS = st.integers(0, 3)
DELTAS = st.one_of(
    st.builds(lambda n, t, c: add(bullet(n, created=at(t)), c, c), NUMBERS, SECONDS, st.text("ab")),
    st.builds(lambda n, t, x: update(IDS[n], at(t), text=x), NUMBERS, SECONDS, st.text("xyz")),
    st.builds(lambda n, t, x: update(IDS[n], at(t), disabled=x), NUMBERS, SECONDS, st.booleans()),
    st.builds(lambda a, b, t: merge(IDS[a], IDS[b], at(t)), NUMBERS, NUMBERS, SECONDS),
    st.builds(lambda n, t: remove(IDS[n], at(t), "pruned"), NUMBERS, SECONDS),
    st.builds(
        lambda n, t, r, v: outcome(IDS[n], f"run {r}", 1, v, at(t)),
        NUMBERS,
        SECONDS,
        st.integers(0, 9),
        st.sampled_from(["helpful", "harmful", "unused"]),
    ),
)


def unique(changes: list[Delta]) -> list[Delta]:
    """One delta an id, as a store keeps them."""
    return list({change.id: change for change in changes}.values())


@given(st.lists(DELTAS, max_size=24), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_deltas_may_be_told_in_any_order_and_again(
    changes: list[Delta], source: random.Random
) -> None:
    changes = unique(changes)
    shuffled = changes + source.sample(changes, len(changes) // 2)
    source.shuffle(shuffled)
    assert Playbook(shuffled).entries() == Playbook(changes).entries()


@given(st.lists(DELTAS, max_size=24))
@settings(max_examples=100, deadline=None)
def test_no_bullet_is_lost(changes: list[Delta]) -> None:
    changes = unique(changes)
    added = {change.bullet for change in changes if change.kind == "add"}
    kept = [
        name for entry in Playbook(changes).entries() for name in (entry.bullet.id, *entry.aliases)
    ]
    assert added <= set(kept)
    assert len(kept) == len(set(kept))


@given(st.lists(DELTAS, max_size=12))
@settings(max_examples=60, deadline=None)
def test_deltas_survive_export(changes: list[Delta]) -> None:
    assert [delta_of(line_of(change)) for change in changes] == changes


def test_counters_count_outcomes_and_harm_drives_out() -> None:
    runs = [outcome(IDS[0], f"run {n}", 1, "harmful", at(n)) for n in range(2)]
    book = Playbook([add(bullet(0)), outcome(IDS[0], "run 9", 1, "helpful", NOW), *runs])
    entry = book.entry(IDS[0])
    assert entry is not None
    assert (entry.helpful, entry.harmful, entry.status) == (1, 2, "harmful")
    for change in runs:
        assert book.apply(change) is None  # told again


def test_duplicates_share_their_counters() -> None:
    book = Playbook([add(bullet(0)), add(bullet(1)), merge(IDS[1], IDS[0], NOW)])
    book.apply(outcome(IDS[1], "run", 1, "helpful", NOW))
    entry = book.entry(IDS[0])
    assert entry is not None
    assert entry.bullet.id == IDS[1]  # the more helpful speaks
    assert entry.aliases == (IDS[0],)
    assert entry.helpful == 1
    assert len(book.entries()) == 1


def test_a_line_that_is_no_delta_is_refused() -> None:
    line = line_of(add(bullet(0)))
    for key, value in (("id", "x"), ("kind", "burn"), ("body", []), ("at", "soon")):
        with pytest.raises(ValueError, match=f"'{key}'"):
            delta_of({**line, key: value})
    with pytest.raises(ValueError, match="'trigger' of a bullet"):
        update(IDS[0], NOW, trigger="x")


OLD = "import numpy as np\narea = np.trapz([1, 2])\nprint(area)"
NEW = "import numpy as np\narea = np.trapezoid([1, 2])\nprint(area)"
GONE = ExecutionError(
    "AttributeError", "module 'numpy' has no attribute 'trapz'", "Cell In[1], line 2"
)
LESSON = reflect(Repair(OLD, NEW, "attribute_removed", GONE), None, NOW)


@pytest.mark.parametrize(
    ("old", "new", "value", "trigger", "remedy"),
    [
        ("df.applymap(str)", "df.map(str)", "no attribute 'applymap'", ".applymap", ".map"),
        (
            "s.resample('M').sum()",
            "s.resample('ME').sum()",
            "Invalid frequency: M",
            ".resample('M')",
            ".resample('ME')",
        ),
        (
            "import pandas as pd\npd.read_csv('/a.csv', squeeze=True)",
            "import pandas as pd\npd.read_csv('/a.csv').squeeze('columns')",
            "unexpected keyword argument 'squeeze'",
            "pandas.read_csv(squeeze=)",
            ".squeeze",
        ),
        (
            "import pandas as pd\npd.read_csv('/a.csv')",
            "import pandas as pd\npd.read_csv('/a.csv', encoding='latin-1')",
            "'utf-8' codec can't decode",
            "pandas.read_csv",
            "pandas.read_csv(encoding='latin-1')",
        ),
        (
            "from sklearn.metrics import plot_roc_curve as p\np(m)",
            "from sklearn.metrics import RocCurveDisplay\nRocCurveDisplay.from_estimator(m)",
            "cannot import name 'plot_roc_curve' from 'sklearn.metrics'",
            "sklearn.metrics.plot_roc_curve",
            "sklearn.metrics.RocCurveDisplay.from_estimator",
        ),
    ],
)
def test_a_repair_is_a_lesson(old: str, new: str, value: str, trigger: str, remedy: str) -> None:
    line = 1 + old.count("\n") if "import" not in old.splitlines()[-1] else 1
    error = ExecutionError("Error", value, f"Cell In[1], line {line}")
    lesson = reflect(Repair(old, new, "attribute", error), None, NOW)
    assert lesson is not None
    assert (lesson.trigger, remedy in lesson.remedy) == (trigger, True), lesson.remedy
    assert "/a.csv" not in lesson.text  # data is no part of a lesson


@pytest.mark.parametrize(
    ("old", "new", "value", "said"),
    [
        (
            "import random\nprint(random.sample({1, 2}, 2))",
            "import random\nprint(random.sample(sorted({1, 2}), 2))",
            "Population must be a sequence",
            "`random.sample` fails (Error: Population must be a sequence); write it otherwise. Not "
            "`print(random.sample({1, 2}, 2))` but `print(random.sample(sorted({1, 2}), 2))`.",
        ),
        (
            "import numpy as np\nnp.array([1]).itemset(0, 9)",
            "import numpy as np\na = np.array([1])\na[0] = 9",
            "'numpy.ndarray' object has no attribute 'itemset'",
            "`.itemset` is gone; write it otherwise. Not `np.array([1]).itemset(0, 9)` but "
            "`a = np.array([1]); a[0] = 9`.",
        ),
        ("import numpy as np\nnp.trapz(y)", "import numpy as np\nnp.trapezoid(y)",
         "module 'numpy' has no attribute 'trapz'", "`np.trapz` is gone; use `np.trapezoid`."),
        ("df.append(row)", "pd.concat([df, row])", "'DataFrame' object has no attribute 'append'",
         "`DataFrame.append` is gone"),
    ],
)  # fmt: skip
def test_a_lesson_says_no_more_than_it_must(old: str, new: str, value: str, said: str) -> None:
    error = ExecutionError("Error", value, f"Cell In[1], line {1 + old.count(chr(10))}")
    kind = "attribute" if "attribute" in value else "type_mismatch"
    lesson = reflect(Repair(old, new, kind, error), None, NOW)
    assert lesson is not None
    assert lesson.text.startswith(said)


def test_what_is_the_programs_own_fault_teaches_nobody() -> None:
    error = ExecutionError("KeyError", "'a'", "Cell In[1], line 1")
    assert reflect(Repair("df['a']", "df['b']", "unknown_column", error), None, NOW) is None
    assert reflect(Repair("df['a']", "df['b']", "other", error), None, NOW) is None
    assert reflect(Repair("df(", "df", "other", error), None, NOW) is None


def test_the_same_mistake_gives_the_same_lesson() -> None:
    other = Repair(OLD.replace("[1, 2]", "y"), NEW.replace("[1, 2]", "y"), "attribute", GONE)
    again = reflect(other, None, at(9))
    assert LESSON is not None
    assert again is not None
    assert again.id == LESSON.id


def test_a_lesson_is_judged_by_what_the_program_did_with_it() -> None:
    assert LESSON is not None
    bad = ExecutionError("AttributeError", "no attribute 'trapezoid'", "")
    other = ExecutionError("KeyError", "'a'", "")
    assert verdict(LESSON, Program(NEW), None, good=True) == "helpful"
    assert verdict(LESSON, Program(NEW), bad, good=False) == "harmful"
    assert verdict(LESSON, Program(NEW), other, good=False) == "unused"
    assert verdict(LESSON, Program(OLD), other, good=False) == "unused"
    assert verdict(LESSON, Program("print(1)"), None, good=True) == "unused"
    assert verdict(bullet(0), Program("print(1)"), None, good=True) == "helpful"
    assert verdict(bullet(0), Program("print(1)"), bad, good=False) == "harmful"


SALES = DataFile("sales.csv", b"", (Column("Region", "text", 3), Column("Total", "number", 9)))


def test_a_proven_program_becomes_a_recipe() -> None:
    code = (
        "import pandas as pd\nframe = pd.read_csv('/home/user/sales.csv')\n"
        "print(frame.groupby('Region')['Total'].mean(), f\"{frame['Total'].max()} Total\")"
    )
    request = Request("0" * 32, "Mean total by region?", (SALES,))
    found = parametrised(code, request)
    assert found is not None
    program, parameters = found
    assert parameters == {
        "FILE_1": "/home/user/sales.csv",
        "COLUMN_1": "Region",
        "COLUMN_2": "Total",
    }
    assert "'Region'" not in without_parameters(program, parameters)
    compile(program, "recipe", "exec")
    recipe = bullet(0, program=program, parameters=parameters)
    moved = with_parameters(recipe, {"FILE_1": "/home/user/b.csv"})
    assert "FILE_1 = '/home/user/b.csv'" in moved
    assert "COLUMN_2 = 'Total'" in moved
    assert parametrised("print(1)", request) is None
    assert parametrised("def (", request) is None


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
