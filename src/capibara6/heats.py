"""The candidates of a contest, each on its way: written, checked, run, examined.

Bounded: so many answers and so many programs at once, one timeout for all programs together, and
once a candidate has ended well, patience with the others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from capibara6 import answers
from capibara6.bout import Bout, Candidate
from capibara6.domain import events as ev
from capibara6.domain.executions import ExecutionError
from capibara6.domain.playbook import Advice
from capibara6.domain.ports import ProgramWriter, Ring, Validator
from capibara6.domain.programs import Program, Sampling
from capibara6.errors import CapibaraError, ModelError, RequestError
from capibara6.search.choice import settled
from capibara6.search.examination import cell
from capibara6.streams import closed_after

TEMPERATURE: Final = 0.8  # of all candidates but the first
PATIENCE: Final = 4.0  # times what the quickest candidate took, for the others
PATIENCE_S_MIN: Final = 10.0
TIMEOUT: Final = "Timeout"
_PYTHON: Final = "python"

Put = Callable[[ev.Event], Awaitable[None]]


@dataclass(slots=True)
class Clock:
    """How long candidates may run: all together, and once one has ended well."""

    timeout_s: float
    until: float | None = None  # loop time, for all
    quickest_s: float | None = None
    running: dict[asyncio.Timeout, float] = field(default_factory=dict)  # since when

    def left_s(self) -> float:
        """What a candidate that starts now may take; the first one starts the clock."""
        now = asyncio.get_running_loop().time()
        if self.until is None:
            self.until = now + self.timeout_s
        return max(0.0, min(self.patience_s, self.until - now))

    def ended_well(self, took_s: float) -> None:
        """One has; those that are running get no more than patience allows."""
        self.quickest_s = min(took_s, self.quickest_s or took_s)
        for scope, since in self.running.items():
            if not scope.expired():
                scope.reschedule(since + self.patience_s)

    @property
    def patience_s(self) -> float:
        """What one candidate may take."""
        if self.quickest_s is None:
            return self.timeout_s
        return min(self.timeout_s, max(PATIENCE_S_MIN, PATIENCE * self.quickest_s))


class Heats:
    """Brings the candidates of one contest to their ends.

    Args:
        bout: the contest.
        writer: writes the programs.
        advice: of the playbook.
        validator: checks them.
        put: takes events; it may wait.
        timeout_s: for all programs together.
        at_once: programs that run at the same time.
    """

    def __init__(
        self,
        bout: Bout,
        writer: ProgramWriter,
        advice: Sequence[Advice],
        validator: Validator,
        put: Put,
        timeout_s: float,
        at_once: int,
    ) -> None:
        self._bout = bout
        self._writer = writer
        self._advice = advice
        self._validator = validator
        self._put = put
        self._clock = Clock(timeout_s)
        self._writing = asyncio.Semaphore(writer.at_once)
        self._running = asyncio.Semaphore(at_once)
        self._ring: asyncio.Future[Ring] = asyncio.get_running_loop().create_future()
        self._first_of: dict[str, asyncio.Future[Candidate]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Let all candidates be written; they run as soon as there is a ring."""
        self._tasks = [tasks.create_task(self._candidate(one)) for one in self._bout.candidates]

    async def ended(self, ring: Ring) -> None:
        """Let them run; return when all have ended, or the rest cannot change the choice."""
        self._ring.set_result(ring)
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _candidate(self, one: Candidate) -> None:
        try:
            async with self._writing:
                one.program = await self._written(one)
            await self._once(one, one.program)
        except (ModelError, RequestError) as refusal:
            one.refusal = refusal
        except CapibaraError as fault:
            one.fault = fault
        one.done = True
        await self._put(self._bout.trial(one))
        self._stop_if_settled()

    def _stop_if_settled(self) -> None:
        bout = self._bout
        if settled(bout.asked, bout.tried, len(bout.candidates) - len(bout.ended)):
            for task in self._tasks:
                if task is not asyncio.current_task():
                    task.cancel()

    async def _written(self, one: Candidate) -> Program:
        bout, program = self._bout, None
        sampling = None
        if one.number > 1:
            sampling = Sampling(TEMPERATURE, seed=1_000 * bout.attempt + one.number)
        pieces = self._writer.write(bout.request, bout.route, bout.previous, self._advice, sampling)
        async with closed_after(pieces):
            async for piece in pieces:
                if isinstance(piece, Program):
                    program = piece
                elif one.number == 1:
                    await self._put(ev.ProgramChunk(bout.request.id, bout.attempt, piece))
        return answers.required(program, self._writer.tier)

    async def _once(self, one: Candidate, program: Program) -> None:
        """Try a program; one that another candidate has written as well is tried once."""
        code = program.code.strip()
        if first := self._first_of.get(code):
            one.like(await asyncio.shield(first))
            return
        first = self._first_of[code] = asyncio.get_running_loop().create_future()
        try:
            await self._tried(one, program)
        except CapibaraError as fault:
            one.fault = fault
        finally:
            first.set_result(one)

    async def _tried(self, one: Candidate, program: Program) -> None:
        paths = answers.paths_of(self._bout.request)
        one.findings = await self._validator.validate(program, paths)
        if one.findings:
            return
        ring = await asyncio.shield(self._ring)
        async with self._running:
            await self._run(one, program, ring)

    async def _run(self, one: Candidate, program: Program, ring: Ring) -> None:
        left_s = self._clock.left_s()
        if left_s <= 0:
            one.error = _stopped("it was never run: those before it took all the time there was")
            return
        asked = self._bout.asked
        check = cell(None, asked) if asked.asks and program.language == _PYTHON else ""
        now = asyncio.get_running_loop().time
        since = now()
        try:
            async with asyncio.timeout(None) as scope:
                self._clock.running[scope] = since
                one.ran(await ring.run(program, left_s, check))
        except TimeoutError:
            quickest_s = self._clock.quickest_s or 0.0
            one.error = _stopped(f"it was stopped: another candidate took {quickest_s:.1f} s")
        finally:
            self._clock.running.pop(scope, None)
        if one.tried(asked).ran:
            self._clock.ended_well(now() - since)


def _stopped(why: str) -> ExecutionError:
    return ExecutionError(TIMEOUT, why, why)
