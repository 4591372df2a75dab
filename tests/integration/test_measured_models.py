"""Models measured in real sandboxes: each way to fail is told, and nothing is run twice."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from capibara6.codegen.tiers import ModelTier
from capibara6.config import load_settings
from capibara6.domain.requests import DataFile
from capibara6.errors import ConfigurationError, ModelUnreachableError
from capibara6.evaluation.models.author import ModelAuthor
from capibara6.evaluation.models.examiner import Examiner, Verdict
from capibara6.evaluation.models.measuring import Measurement, Reference, measure, setup_of
from capibara6.evaluation.models.results import Solving
from capibara6.evaluation.models.scores import as_json, score
from capibara6.evaluation.models.selection import select
from capibara6.evaluation.models.suites import Suite, SuiteTask
from capibara6.execution import E2BExecutor, Provider
from capibara6.store import ModelSample, Store, database
from scripted_model import Reply, ScriptedModel
from support.sandbox_server import START_TIMEOUT_S, SandboxServer

PROMPT = 'def square(n):\n    """n times n.\n    >>> square(2)\n    4\n    """\n'
RIGHT = "```python\ndef square(n):\n    return n * n\n```"
WRONG = "```python\ndef square(n):\n    return n + 3\n```"
BROKEN = "```python\ndef square(n):\n    return m * m\n```"

pytestmark = pytest.mark.timeout(START_TIMEOUT_S)

CHECK = "def check(candidate):\n    assert candidate(3) == 9\n"
CASES = """
import unittest
class TestCases(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.wanted = 9
    def test_wrong(self):
        self.assertEqual(square(3), self.wanted)
    def test_raises(self):
        self.assertEqual(square("a"), "aa")
"""


@pytest.fixture
async def examiner(sandbox_server: SandboxServer, tmp_path: Path) -> AsyncIterator[Examiner]:
    async def find() -> Provider:
        return Provider.embedded(sandbox_server.url, sandbox_server.key)

    executor = E2BExecutor(load_settings(dotenv=tmp_path / "no.env"), find)
    yield Examiner(executor, "default", 3)
    await executor.close()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{tmp_path}/db", tmp_path)
    yield store
    await store.close()


def task(tests: str = CHECK, reference: str = "", number: int = 0) -> SuiteTask:
    return SuiteTask(str(number), f"{number:032}", "p", "square", tests, None, reference)


@pytest.mark.parametrize(
    ("code", "tests", "found"),
    [
        ("def square(n): return n * n", CHECK, Verdict(True)),
        ("def square(n): return 8", CHECK, Verdict(False, "assertion", False)),
        ("def square(n): return None + 1", CHECK, Verdict(False, "type_mismatch", True)),
        ("def square(n: return", CHECK, Verdict(False, "syntax", True)),
        ("import nopackage", CHECK, Verdict(False, "missing_module", True, missing="nopackage")),
        ("def other(): pass", CHECK, Verdict(False, "name", True)),
        ("while True: pass", CHECK, Verdict(False, "timeout", True)),
        ("import os; os._exit(0)", CHECK, Verdict(False, "killed_kernel", True)),
        ("raise SystemExit", CHECK, Verdict(False, "exit", True)),
        ("def square(n): return n * n", CASES, Verdict(False, "type_mismatch", True)),
        ("def square(n): return {3: 8, 'a': 'aa'}[n]", CASES, Verdict(False, "assertion", False)),
        ("def square(n): return {3: 9, 'a': 'aa'}[n]", CASES, Verdict(True)),
        (
            "def square(n): return n * n",
            "def test_it():\n    assert 0",
            Verdict(False, "assertion"),
        ),
    ],
)
async def test_how_a_program_did(examiner: Examiner, code: str, tests: str, found: Verdict) -> None:
    verdict = await examiner.examine(task(tests), code)
    assert (verdict.passed, verdict.kind, verdict.visible, verdict.missing) == (
        found.passed,
        found.kind,
        found.visible,
        found.missing,
    ), verdict
    assert "assert candidate" not in verdict.traceback  # a repair must not see the tests


async def test_a_question_is_answered_by_what_is_printed(examiner: Examiner) -> None:
    asked = SuiteTask("1", "1" * 32, "Sum?", expected="3", data={"a.csv": b"x\n1\n2\n"})
    read = "import csv; rows = list(csv.DictReader(open('/home/user/a.csv')))\n"
    right = await examiner.examine(asked, f"{read}print('Sum:', sum(int(r['x']) for r in rows))")
    wrong = await examiner.examine(asked, f"{read}print(len(rows))")
    broken = await examiner.examine(asked, "print(3); 1 / 0")
    assert (right.passed, wrong.passed, broken.passed) == (True, False, False)
    assert (wrong.visible, broken.visible, broken.kind) == (False, True, "zero_division")


async def test_an_interrupted_measurement_goes_on_where_it_was(
    examiner: Examiner, store: Store
) -> None:
    tasks = [task(reference=f"def square(n): return {n}", number=n) for n in (7, 8, 9)]
    suite, author = Suite("own", tasks), Reference()
    setup = setup_of(author, "default", 3, "embedded")
    told: list[tuple[str, bool]] = []

    def notify(sample: ModelSample, known: bool) -> None:
        told.append((sample.task, known))
        if len(told) == 2:
            raise InterruptedError

    sandboxes = asyncio.Semaphore(1)
    for _ in range(2):
        solving = Solving(1, 1, False, select)
        measurement = Measurement(suite, author, examiner, store.samples, setup, sandboxes, notify)
        with contextlib.suppress(InterruptedError):
            await measure(measurement, solving.solve, 1)
    assert told == [("7", False), ("8", False), ("7", True), ("8", True), ("9", False)]
    assert [r.kept.passed for r in solving.results.values()] == [False, False, True]
    measured = await store.samples.measured(["reference"])
    assert [(one.tasks, one.passed) for one in measured] == [(3, 1)]
    assert await store.samples.forget(setup) == 3


class Run:
    """Measures a scripted model on functions of one prompt, as the command does."""

    def __init__(self, examiner: Examiner, store: Store, base_url: str) -> None:
        tier = ModelTier("small", base_url, "m")
        self.author = ModelAuthor(tier, lambda name, content: DataFile(name, content))
        self.examiner, self.store = examiner, store

    async def __call__(self, tasks: int, candidates: int = 1, repairs: int = 0) -> Solving:
        suite = Suite("own", [replace(task(number=n), prompt=PROMPT) for n in range(tasks)])
        setup = setup_of(self.author, "default", 3, "embedded")
        self.solving = Solving(candidates, repairs, False, select)
        measurement = Measurement(
            suite, self.author, self.examiner, self.store.samples, setup, asyncio.Semaphore(2)
        )
        await measure(measurement, self.solving.solve, 1)
        return self.solving


async def test_a_model_is_asked_searched_repaired_and_never_asked_twice(
    examiner: Examiner, store: Store
) -> None:
    script = [WRONG, BROKEN, RIGHT, BROKEN, "I cannot.", WRONG, RIGHT]
    async with ScriptedModel(script) as model:
        run = Run(examiner, store, model.base_url)
        await run(2, candidates=3)
        assert len(model.requests) == 6
        solving = await run(2, candidates=3, repairs=1)
        assert len(model.requests) == 7, "a repair, and nothing that was measured before"
    asked = [(body["temperature"], body["seed"]) for body in model.requests[:3]]
    assert asked == [(0.0, 0), (0.8, 1), (0.8, 2)]
    repair = model.requests[-1]["messages"]
    assert "NameError" in repair[-1]["content"]
    assert "candidate(3)" not in str(repair), "what the tests know stays with them"
    results = solving.results
    assert [result.kept.candidate for result in results.values()] == [2, 0]
    kinds = [[one.kind for one in result.candidates] for result in results.values()]
    assert kinds == [["assertion", "name", ""], ["name", "no_program", "assertion"]]
    found = as_json(score("small", "m", "own", list(results.values())))
    named = ("tasks", "pass_1", "selected", "any", "repaired", "after_repair")
    assert [found[name] for name in named] == [2, 0, 1, 1, 1, 2]


async def test_an_endpoint_that_goes_ends_it_and_keeps_what_was_measured(
    examiner: Examiner, store: Store
) -> None:
    async with ScriptedModel([RIGHT, Reply("no such model", status=404)]) as model:
        run = Run(examiner, store, model.base_url)
        with pytest.raises(ModelUnreachableError):
            await run(3)
    assert [result.kept.passed for result in run.solving.results.values()] == [True]
    assert [(one.tasks, one.passed) for one in await store.samples.measured(["small"])] == [(1, 1)]


async def test_candidates_that_all_hang_are_failures_that_show(
    examiner: Examiner, store: Store
) -> None:
    hanging = "```python\ndef square(n):\n    while True:\n        pass\n```"
    async with ScriptedModel([hanging]) as model:
        solving = await Run(examiner, store, model.base_url)(1, candidates=2)
    (result,) = solving.results.values()
    assert [(one.kind, one.visible) for one in result.candidates] == [("timeout", True)] * 2


async def test_a_locked_database_ends_it_with_a_reason(
    examiner: Examiner, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.1)
    other = await Store.open(f"sqlite:///{tmp_path}/db", tmp_path)
    async with ScriptedModel([RIGHT]) as model:
        run = Run(examiner, other, model.base_url)
        with contextlib.closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            with pytest.raises(ConfigurationError, match="locked"):
                await run(1)
        solving = await run(1)
    await other.close()
    assert [result.kept.passed for result in solving.results.values()] == [True]
