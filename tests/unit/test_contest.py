"""Contests among candidates: order, bounds, ends; the ring and the model follow a script."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from capibara6 import heats
from capibara6.contest import Contest
from capibara6.domain import events as ev
from capibara6.domain.executions import Entrant, ExecutionError, ExecutionResult
from capibara6.domain.programs import Finding, Program
from capibara6.domain.requests import Request
from capibara6.errors import ModelReplyError, ProviderError, RequestError
from capibara6.intake import question_request
from capibara6.pipeline import Pipeline
from scripted_ports import (
    GOOD,
    RUN_ID,
    ScriptedExecutor,
    ScriptedRouter,
    ScriptedValidator,
    collect,
    diagnose,
    names,
)

FAILED = ExecutionResult(success=False, error=ExecutionError("KeyError", "'x'", "Traceback"))


def printed(text: str) -> ExecutionResult:
    return ExecutionResult(success=True, stdout=text)


class Ring:
    """What a program does is its text: "print 7", "fail", "hang", "lost"."""

    note = ""

    def __init__(self) -> None:
        self.live: set[str] = set()
        self.at_once = self.most = self.runs = 0
        self.waits = asyncio.Event()

    async def run(self, program: Program, timeout_s: float, check: str = "") -> Entrant:
        self.runs += 1
        name = f"sbx{self.runs}"
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await asyncio.sleep(0)
            result = await self.result(program.code.split("#")[0].strip())
        finally:
            self.at_once -= 1
        self.live.add(name)
        return Entrant(name, result)

    async def result(self, code: str) -> ExecutionResult:
        if code == "lost":
            raise ProviderError("the provider is at its limit")
        if code == "hang":
            await self.waits.wait()
        return FAILED if code == "fail" else printed(code.removeprefix("print "))

    async def keep(self, entrant: Entrant) -> ExecutionResult:
        await self.drop(entrant.sandbox_id)
        return entrant.result

    async def drop(self, *sandbox_ids: str) -> None:
        self.live -= set(sandbox_ids)


class Arena:
    def __init__(self, timeout_s: float = 300.0, fault: Exception | None = None) -> None:
        self.ring = Ring()
        self.given_s = timeout_s
        self.fault = fault
        self.open = 0

    def timeout_s(self, request: Any) -> float:
        return self.given_s

    @asynccontextmanager
    async def opened(self, request: Any, loading: str) -> AsyncIterator[Ring]:
        if self.fault:
            raise self.fault
        self.open += 1
        try:
            yield self.ring
        finally:
            self.open -= 1


class Writer:
    tier = "fast"

    def __init__(self, *script: Any, at_once: int = 32) -> None:
        self.script = script
        self.at_once = at_once
        self.samplings: list[Any] = []
        self.failures: list[Any] = []

    async def write(
        self, request: Any, route: Any, failure: Any = None, advice: Any = (), sampling: Any = None
    ) -> AsyncIterator[str | Program]:
        self.samplings.append(sampling)
        self.failures.append(failure)
        step = self.script[sampling.seed % 1_000 - 1 if sampling else 0]
        if isinstance(step, Exception):
            raise step
        yield "a piece"
        yield Program(step, origin="model:m", tier="fast", completion_tokens=10, cost_usd=0.5)


async def run(
    arena: Arena, writer: Writer, *, refused: tuple[str, ...] = (), attempts_max: int = 1
) -> list[Any]:
    validator = ScriptedValidator(refused)
    lines = Pipeline(
        ScriptedRouter("fast"),
        [writer],  # type: ignore[list-item]
        validator,
        None,  # type: ignore[arg-type]
        diagnose,
        (),
        attempts_max,
        contest=Contest(arena, validator, at_once=2),  # type: ignore[arg-type]
        candidates={"fast": len(writer.script)},
    )
    found = await collect(lines.run(Request(RUN_ID, "what is the sum?")))
    assert not arena.open
    assert not arena.ring.live
    assert not arena.ring.at_once
    return found


def of(events: list[Any], kind: Any) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


async def test_the_events_tell_every_candidate_and_then_the_chosen_one_alone() -> None:
    found = await run(Arena(), Writer("print 7", "fail", "print 8", "print 8 # 2"))
    kinds = [name for name in names(found) if name != "CandidateTried"]
    assert kinds == [
        "RunStarted",
        "Routed",
        "ProgramChunk",  # of the first alone
        "CandidateChosen",
        "ProgramWritten",
        "Validated",
        "ExecutionStarted",
        "Output",
        "ExecutionFinished",
        "RunFinished",
    ]
    assert [one.success for one in of(found, ev.CandidateTried)] == [True, False, True, True]
    assert of(found, ev.CandidateChosen)[0].candidate == 3
    assert (found[-1].answer, found[-1].attempts) == ("8", 1)


async def test_what_all_candidates_cost_is_the_programs_cost() -> None:
    found = await run(Arena(), Writer("print 7", "fail", "print 8"))
    (written,) = of(found, ev.ProgramWritten)
    assert (written.program.cost_usd, written.program.completion_tokens) == (1.5, 30)


async def test_the_first_is_drawn_as_the_tier_is_set_and_the_others_with_seeds_of_their_own() -> (
    None
):
    writer = Writer("fail", "fail # 2", "fail # 3")
    await run(Arena(), writer, attempts_max=2)
    first, second = writer.samplings[:3], writer.samplings[3:]
    assert first[0] is second[0] is None
    seeds = [one.seed for one in [*first[1:], *second[1:]]]
    assert len(set(seeds)) == 4
    assert {one.temperature for one in first[1:]} == {heats.TEMPERATURE}


async def test_so_many_at_once_and_the_same_program_once() -> None:
    arena = Arena()
    found = await run(arena, Writer("print 1", "print 1", "print 2", "print 3", "print 4"))
    assert arena.ring.most == 2
    assert arena.ring.runs == 4
    assert of(found, ev.CandidateChosen)[0].candidate == 1


async def test_what_more_than_half_give_is_settled_and_the_rest_is_ended() -> None:
    arena = Arena()
    found = await run(arena, Writer("hang", "print 7", "print 7 #", "print 7 # 3", "print 7 # 4"))
    (chosen,) = of(found, ev.CandidateChosen)
    assert chosen.tried == 3
    assert found[-1].answer == "7"


async def test_a_recipe_is_one_program_however_many_are_asked_for() -> None:
    writer = Writer("print 7", "print 7")
    writer.tier = "recipe"
    executor = ScriptedExecutor(GOOD)
    validator = ScriptedValidator()
    lines = Pipeline(
        ScriptedRouter("recipe"),
        [writer],  # type: ignore[list-item]
        validator,
        executor,
        diagnose,
        contest=Contest(Arena(), validator),  # type: ignore[arg-type]
    )
    found = await collect(lines.run(Request(RUN_ID, "sum?", candidates=5)))
    assert found[-1].success
    assert not of(found, ev.CandidateTried)
    assert len(executor.requests) == 1


async def test_patience_ends_when_one_has_ended_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heats, "PATIENCE_S_MIN", 0.05)
    found = await run(Arena(), Writer("hang", "print 7", "fail"))
    shown = {one.candidate: one.shown for one in of(found, ev.CandidateTried)}
    assert "another candidate took" in shown[1]
    assert found[-1].answer == "7"


async def test_all_hang_within_one_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Ring):
        async def run(self, program: Program, timeout_s: float, check: str = "") -> Entrant:
            self.runs += 1
            await asyncio.sleep(timeout_s)
            late = ExecutionError("Timeout", "too slow", "")
            return Entrant(f"sbx{self.runs}", ExecutionResult(success=False, error=late))

    arena = Arena(timeout_s=0.2)
    arena.ring = Slow()
    found = await run(arena, Writer(*(f"hang # {number}" for number in range(10))))
    tried = of(found, ev.CandidateTried)
    assert len(tried) == 10
    assert sum("never run" in one.shown for one in tried) == 8
    assert found[-1].error_code == "program_failed"


async def test_repair_starts_from_the_best_loser() -> None:
    writer = Writer("x = ", "fail")
    found = await run(Arena(), writer, refused=("x = ",), attempts_max=2)
    first, _ = of(found, ev.CandidateChosen)
    assert not first.kept
    assert writer.failures[2].program.code == "x = "
    assert writer.failures[2].findings == (Finding("F821", "undefined name 'x'", 1, 1),)
    assert names(found).count("RepairStarted") == 1


async def test_a_model_that_gives_some_programs_is_enough_and_one_that_gives_none_is_told() -> None:
    some = await run(Arena(), Writer(ModelReplyError("m", "prose"), "print 7"))
    assert some[-1].answer == "7"
    none = await run(Arena(), Writer(*[ModelReplyError("m", "prose")] * 3))
    assert none[-1].error_code == ModelReplyError.code
    assert not of(none, ev.CandidateChosen)


async def test_some_sandboxes_are_enough_and_none_is_an_error() -> None:
    some = await run(Arena(), Writer("lost", "print 7"))
    assert some[-1].answer == "7"
    none = await run(Arena(), Writer("lost", "lost # 2"))
    assert none[-1].error_code == ProviderError.code
    closed = await run(Arena(fault=ProviderError("no server")), Writer("print 7", "print 8"))
    assert (closed[-1].error_code, closed[-1].error) == (ProviderError.code, "no server")


async def test_a_slow_reader_holds_up_the_candidates_and_loses_nothing() -> None:
    pieces = 500

    class Chatty(Writer):
        async def write(self, *given: Any, **named: Any) -> AsyncIterator[str | Program]:
            for number in range(pieces):
                yield f"{number} "
            yield Program("print 7", tier="fast")

    arena = Arena()
    contest = Contest(arena, ScriptedValidator())  # type: ignore[arg-type]
    lines = Pipeline(
        ScriptedRouter("fast"), [Chatty("")], ScriptedValidator(), None, diagnose, contest=contest  # type: ignore[arg-type,list-item]
    )  # fmt: skip
    seen = 0
    async for event in lines.run(Request(RUN_ID, "sum?", candidates=2)):
        seen += isinstance(event, ev.ProgramChunk)
        await asyncio.sleep(0)
    assert seen == pieces


@pytest.mark.parametrize("count", [0, -1, 33, 10**9])
def test_a_number_out_of_range_is_refused(count: int) -> None:
    with pytest.raises(RequestError, match="from 1 to 32"):
        question_request("sum?", {}, settings(), lambda *_: None, candidates=count)  # type: ignore[arg-type,return-value]


def settings() -> Any:
    from capibara6.config import load_settings

    return load_settings()
