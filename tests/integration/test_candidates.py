"""Candidates in live forks of one sandbox: real server, real kernels, scripted model."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from e2b_code_interpreter import Sandbox

from capibara6.config import load_settings
from capibara6.contest import Contest
from capibara6.domain import events as ev
from capibara6.domain.executions import ExecutionRequest
from capibara6.domain.programs import Example, Program
from capibara6.domain.requests import DataFile, Request
from capibara6.execution import E2BArena, Provider
from capibara6.execution.sandboxes import Sandboxes
from capibara6.pipeline import Pipeline
from capibara6.search.loading import loading
from scripted_ports import RUN_ID, Listener, ScriptedRouter, ScriptedValidator, diagnose
from support.sandbox_server import START_TIMEOUT_S, SandboxServer, wait_until

pytestmark = pytest.mark.timeout(START_TIMEOUT_S)

SUM = "def add(a, b):\n    '''\n    >>> add(2, 3)\n    5\n    '''"
RIGHT, WRONG = "def add(a, b):\n    return a + b", "def add(a, b):\n    return a * b"


class Writer:
    """The programs by the candidates' numbers, as seeds tell them."""

    tier = "fast"
    at_once = 4

    def __init__(self, *codes: str) -> None:
        self.codes = list(codes)
        self.previous: list[Any] = []

    async def write(
        self, request: Any, route: Any, failure: Any = None, advice: Any = (), sampling: Any = None
    ) -> AsyncIterator[str | Program]:
        self.previous.append(failure)
        number = sampling.seed % 1_000 - 1 if sampling else 0
        yield Program(self.codes[number], origin="model:m", tier="fast", completion_tokens=10)


@pytest.fixture
async def arena(sandbox_server: SandboxServer, tmp_path: Path) -> AsyncIterator[E2BArena]:
    async def find() -> Provider:
        return Provider.embedded(sandbox_server.url, sandbox_server.key)

    arena = E2BArena(load_settings(dotenv=tmp_path / "no.env"), find)
    yield arena
    await arena.close()


def pipeline(arena: E2BArena, writer: Writer, sinks: Any = (), attempts_max: int = 1) -> Pipeline:
    validator = ScriptedValidator()
    contest = Contest(arena, validator, at_once=3)
    return Pipeline(
        ScriptedRouter("fast", task="code"),
        [writer],
        validator,
        None,  # type: ignore[arg-type]  # everything runs in the arena
        diagnose,
        sinks,
        attempts_max,
        contest=contest,
    )


async def run(arena: E2BArena, *codes: str, question: str = SUM, **options: Any) -> list[ev.Event]:
    attempts_max = options.pop("attempts_max", 1)
    request = Request(RUN_ID, question, candidates=len(codes), **options)
    lines = pipeline(arena, Writer(*codes), attempts_max=attempts_max)
    return [event async for event in lines.run(request)]


def of(events: list[ev.Event], kind: Any) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def nothing_left(server: SandboxServer) -> bool:
    return not Sandbox.list(**server.sdk).next_items()


async def test_the_candidate_that_holds_is_kept_and_nothing_is_left(
    arena: E2BArena, sandbox_server: SandboxServer
) -> None:
    events = await run(arena, WRONG, "def add(a, b):\n    return 1 / 0", RIGHT)
    (chosen,) = of(events, ev.CandidateChosen)
    assert (chosen.candidate, chosen.kept, chosen.ground) == (3, True, "examples")
    (written,) = of(events, ev.ProgramWritten)
    assert written.program.code == RIGHT
    assert written.program.completion_tokens >= 10
    assert "```python\ndef add" in events[-1].answer
    await asyncio.to_thread(wait_until, lambda: nothing_left(sandbox_server))


async def test_the_answer_that_most_give_is_kept(arena: E2BArena) -> None:
    programs = ["print('the mean is 7.5')", "print('it is 3')", "print('mean = 7.50')"]
    events = await run(arena, *programs, question="What is the mean?")
    (chosen,) = of(events, ev.CandidateChosen)
    assert (chosen.candidate, chosen.ground) == (1, "agreement")
    assert events[-1].answer == "the mean is 7.5"


async def test_data_are_loaded_once_and_forks_change_their_own(
    sandbox_server: SandboxServer, arena: E2BArena
) -> None:
    if not sandbox_server.has_cgroups:
        pytest.skip("no cgroups: variables are not carried to forks")
    file = DataFile("sales.csv", b"units\n1\n2\n3\n")
    code = (
        "import pandas as pd\n"
        "pd.io.parsers.readers._read = None  # whatever reads again fails\n"
        "first = pd.read_csv('/home/user/sales.csv'); first['units'] = 0\n"
        "again = pd.read_csv('/home/user/sales.csv')\n"
        "print(again['units'].sum(), pd.read_csv('/home/user/sales.csv')['units'].sum())"
    )
    events = await run(arena, code, code + " ", question="sum?", files=(file,))
    assert events[-1].answer == "6 6"


async def test_when_all_hang_they_are_stopped_and_repair_starts_from_the_best(
    arena: E2BArena, sandbox_server: SandboxServer
) -> None:
    hang = "while True: pass"
    events = await run(
        arena, hang, hang + " #2", hang + " #3", hang + " #4", timeout_s=2, attempts_max=2
    )
    tried = of(events, ev.CandidateTried)
    assert len(tried) == 8
    assert not any(one.success for one in tried)
    assert all("Timeout" in one.shown for one in tried)
    (repair,) = of(events, ev.RepairStarted)
    assert repair.diagnosis.kind == "scripted"
    assert isinstance(events[-1], ev.RunFinished)
    assert events[-1].error_code == "program_failed"
    await asyncio.to_thread(wait_until, lambda: nothing_left(sandbox_server))


async def test_one_that_hangs_does_not_hold_up_the_others(arena: E2BArena) -> None:
    programs = ["import time; time.sleep(1000)", RIGHT, WRONG]
    events = await run(arena, *programs, timeout_s=300)
    (chosen,) = of(events, ev.CandidateChosen)
    assert (chosen.candidate, chosen.tried) in {(2, 1), (2, 2)}


async def test_tests_of_the_user_decide_and_are_told_to_the_repair(arena: E2BArena) -> None:
    events = await run(arena, RIGHT, WRONG, examples=(Example("add(2, 2)", "5"),), attempts_max=2)
    first, _ = of(events, ev.CandidateChosen)
    assert (first.kept, first.ground) == (False, "none")
    (repair,) = of(events, ev.RepairStarted)
    assert repair.diagnosis.kind == "tests_failed"
    assert "add(2, 2): 4, 5" in repair.diagnosis.cause


async def test_one_candidate_is_held_against_the_users_tests(arena: E2BArena) -> None:
    events = await run(arena, RIGHT, tests="assert add(1, 1) == 2")
    assert of(events, ev.CandidateChosen)[0].ground == "tests"
    assert events[-1].success


async def test_without_forks_fresh_sandboxes_are_used_and_said(
    arena: E2BArena, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: Any) -> Exception:
        return RuntimeError("this provider does not fork")

    monkeypatch.setattr(Sandboxes, "fork", refused)
    file = DataFile("sales.csv", b"units\n1\n2\n")
    code = "print(open('/home/user/sales.csv').read().count('1'))"
    events = await run(arena, code, code + " ", "print(1)", question="count", files=(file,))
    (chosen,) = of(events, ev.CandidateChosen)
    assert "does not fork" in chosen.reason
    assert not any(one.forked for one in of(events, ev.CandidateTried))
    assert events[-1].answer == "1"


async def test_a_run_that_is_left_leaves_nothing(
    arena: E2BArena, sandbox_server: SandboxServer
) -> None:
    listener = Listener()
    codes = ["import time; time.sleep(100)", "import time; time.sleep(101)", "print(1)"]
    lines = pipeline(arena, Writer(*codes), sinks=[listener])
    events = lines.run(Request(RUN_ID, "count", candidates=3))
    async for event in events:
        if isinstance(event, ev.CandidateTried):
            break
    await events.aclose()
    assert listener.events[-1].error_code == "cancelled"  # type: ignore[attr-defined]
    await asyncio.to_thread(wait_until, lambda: nothing_left(sandbox_server))


async def test_a_ring_gives_the_loaded_frame_as_long_as_the_file_is_the_same(
    arena: E2BArena,
) -> None:
    path = "/home/user/t.csv"
    request = ExecutionRequest("pass", files={path: b"x\n1\n"})
    change = (
        f"open('{path}', 'w').write('x\\n5\\n')\n"
        f"import pandas as pd\nprint(pd.read_csv('{path}').x[0])"
    )
    async with arena.opened(request, loading([path])) as ring:
        entrant = await ring.run(Program(change), 30)
        kept = await ring.keep(entrant)
    assert kept.stdout == "5\n"
    assert [artefact.name for artefact in kept.artefacts] == ["t.csv"]
    assert ring.note == ""
