"""Models measured in real sandboxes: each way to fail is told, and nothing is run twice."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from capibara6.config import load_settings
from capibara6.evaluation.models.examiner import Examiner, Verdict
from capibara6.evaluation.models.measuring import Measurement, Reference, measure, setup_of
from capibara6.evaluation.models.results import Solving
from capibara6.evaluation.models.suites import Suite, SuiteTask
from capibara6.execution import E2BExecutor, Provider
from capibara6.store import ModelSample, Store
from support.sandbox_server import START_TIMEOUT_S, SandboxServer

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
    examiner: Examiner, tmp_path: Path
) -> None:
    tasks = [task(reference=f"def square(n): return {n}", number=n) for n in (7, 8, 9)]
    suite, author = Suite("own", tasks), Reference()
    setup = setup_of(author, "default", 3, "embedded")
    told: list[tuple[str, bool]] = []

    def notify(sample: ModelSample, known: bool) -> None:
        told.append((sample.task, known))
        if len(told) == 2:
            raise InterruptedError

    store = await Store.open(f"sqlite:///{tmp_path}/db", tmp_path)
    try:
        sandboxes = asyncio.Semaphore(1)
        for _ in range(2):
            solving = Solving(1, 1, False, lambda _, found: found[0])
            measurement = Measurement(
                suite, author, examiner, store.samples, setup, sandboxes, notify
            )
            try:
                await measure(measurement, solving.solve, 1)
            except InterruptedError:
                continue
        assert told == [("7", False), ("8", False), ("7", True), ("8", True), ("9", False)]
        assert [r.kept.passed for r in solving.results.values()] == [False, False, True]
        measured = await store.samples.measured(["reference"])
        assert [(one.tasks, one.passed) for one in measured] == [(3, 1)]
        assert await store.samples.forget(setup) == 3
    finally:
        await store.close()
