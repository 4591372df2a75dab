"""Programs judged in a real sandbox: what held, what did not, and what was never tried."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from capibara6.config import load_settings
from capibara6.domain.programs import Example
from capibara6.errors import RequestError
from capibara6.execution import E2BExecutor, Provider
from capibara6.validation.proving import Claim, Prover, Standing, parse_example
from capibara6.validation.validator import ProgramValidator
from support.sandbox_server import START_TIMEOUT_S, SandboxServer

pytestmark = pytest.mark.timeout(START_TIMEOUT_S)

MEAN = "def mean(values):\n    return sum(values) / len(values)\n"
TESTS = """
import unittest
assert mean([2]) == 2
def test_two():
    assert mean([1, 3]) == 2
def test_wrong():
    assert mean([1, 3]) == 3, "three"
class Cases(unittest.TestCase):
    def test_none(self):
        with self.assertRaises(ZeroDivisionError):
            mean([])
    def test_more(self):
        self.assertEqual(mean([1]), 5)
"""


@pytest.fixture
async def prover(sandbox_server: SandboxServer, tmp_path: Path) -> AsyncIterator[Prover]:
    async def find() -> Provider:
        return Provider.embedded(sandbox_server.url, sandbox_server.key)

    executor = E2BExecutor(load_settings(dotenv=tmp_path / "no.env"), find)
    yield Prover(ProgramValidator(), executor)
    await executor.close()


async def test_examples_that_hold_are_proof_of_themselves_alone(prover: Prover) -> None:
    examples = [parse_example("mean([1, 3]) => 2"), Example("mean([1])", "1.0")]
    verdict = await prover.judge(Claim(MEAN, examples=examples))
    assert verdict.standing is Standing.HELD
    assert [check.name for check in verdict.checks] == [
        "program",
        "mean([1, 3]) => 2",
        "mean([1]) => 1.0",
    ]


async def test_every_test_is_told_by_name(prover: Prover) -> None:
    verdict = await prover.judge(Claim(MEAN, tests=TESTS))
    assert verdict.standing is Standing.WRONG
    passed = {check.name: check.passed for check in verdict.checks}
    assert passed == {
        "program": True,
        "test_two": True,
        "test_wrong": False,
        "Cases.test_more": False,
        "Cases.test_none": True,
    }
    messages = {check.name: check.message for check in verdict.checks}
    assert messages["test_wrong"] == "AssertionError: three"
    assert "1.0 != 5" in messages["Cases.test_more"]


async def test_plain_asserts_are_one_test(prover: Prover) -> None:
    held = await prover.judge(Claim(MEAN, tests="assert mean([2]) == 2"))
    failed = await prover.judge(Claim(MEAN, tests="assert mean([2]) == 3"))
    assert (held.standing, failed.standing) == (Standing.HELD, Standing.WRONG)
    assert [check.name for check in failed.checks] == ["program", "tests"]


async def test_data_frames_magics_and_files_are_there(prover: Prover) -> None:
    code = "%matplotlib inline\nimport pandas as pd\ntable = pd.read_csv('a.csv')\n"
    examples = [Example("table['x'].sum()", "3"), Example("table", "table.copy()")]
    claim = Claim(code, files={"a.csv": b"x\n1\n2\n"}, examples=examples)
    assert (await prover.judge(claim)).standing is Standing.HELD


@pytest.mark.parametrize(
    "code", ["raise SystemExit(3)", "import os\nos._exit(1)", "1 / 0", "while True: pass"]
)
async def test_programs_that_end_badly_are_wrong(prover: Prover, code: str) -> None:
    claim = Claim(code, timeout_s=3, examples=[Example("1", "1")])
    assert (await prover.judge(claim)).standing is Standing.WRONG


async def test_what_is_not_run_is_not_proven(prover: Prover) -> None:
    untried = await prover.judge(Claim(MEAN))
    ran = await prover.judge(Claim("print(1)", run=True))
    failed = await prover.judge(Claim("print(1 / 0)", run=True))
    refuted = await prover.judge(Claim("print(nam)", run=True))
    assert (untried.standing, untried.result) == (Standing.UNTRIED, None)
    assert ran.standing is Standing.RAN
    assert failed.standing is Standing.WRONG
    assert (refuted.standing, refuted.result) == (Standing.WRONG, None)
    assert refuted.findings


async def test_a_program_that_writes_a_result_of_its_own_is_read_as_data(prover: Prover) -> None:
    forged = json.dumps({"checks": [{"name": 5, "passed": "yes", "message": None}, 7]})
    code = (
        "import atexit, os, pathlib\n"
        f"pathlib.Path('/home/user/capibara6-trial.json').write_text({forged!r})\nos._exit(0)\n"
    )
    verdict = await prover.judge(Claim(code, examples=[Example("1", "1")]))
    assert verdict.standing is Standing.WRONG


async def test_claims_that_cannot_be_tried_are_refused(prover: Prover) -> None:
    with pytest.raises(RequestError, match="for Python, not 'bash'"):
        await prover.judge(Claim("true", "bash", tests="assert True"))
    with pytest.raises(RequestError, match="CALL => EXPECTED"):
        parse_example("mean([1])")
    with pytest.raises(RequestError, match="at most 200"):
        await prover.judge(Claim(MEAN, examples=[Example("1", "1")] * 201))
