"""The playbook: a function of a set of deltas; lessons out of repairs; advice within a budget."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capibara6.ace.attribution import verdict
from capibara6.ace.deltas import add, delta_of, line_of, merge, outcome, remove, update
from capibara6.ace.playbook import Playbook
from capibara6.ace.reflection import Repair, reflect
from capibara6.ace.reuse.parameters import parametrised, with_parameters, without_parameters
from capibara6.domain.executions import ExecutionError
from capibara6.domain.playbook import Delta
from capibara6.domain.programs import Program
from capibara6.domain.requests import Column, DataFile, Request
from support.lessons import GONE, IDS, LESSON, NEW, NOW, OLD, at, bullet

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
    program, parameters = found.code, found.parameters
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
