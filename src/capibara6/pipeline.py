"""The story of a request: route → write → validate → execute → (repair) → answer.

Owns the order of the stages and what follows a failure. It knows every stage only as a port
(`domain.ports`) and tells what happens as events (`domain.events`), in their documented order; each
event reaches the listeners before the caller.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing

from capibara6 import answers, reuse
from capibara6.audience import Audience, Events
from capibara6.bout import Bout
from capibara6.contest import Contest
from capibara6.domain import events as ev
from capibara6.domain.executions import (
    ExecutionRequest,
    ExecutionResult,
    OutputChunk,
    Repeating,
    ResultItem,
    SandboxReady,
)
from capibara6.domain.playbook import Advice
from capibara6.domain.ports import (
    Cookbook,
    EventSink,
    Executor,
    Memory,
    ProgramWriter,
    Router,
    Validator,
)
from capibara6.domain.programs import Diagnosis, Failure, Finding, Program
from capibara6.domain.requests import Request, Route
from capibara6.errors import ModelError, RequestError
from capibara6.escalation import Ladder
from capibara6.progress import Attempt, Clock, Progress
from capibara6.recollection import recalled
from capibara6.streams import closed_after
from capibara6.texts import say

Diagnose = Callable[
    [Program, ExecutionResult | None, tuple[Finding, ...], Request], Awaitable[Diagnosis]
]


class Pipeline:
    """Answers questions by writing and running programs; runs programs that users wrote.

    Args:
        router: decides task, template and tier.
        writers: one a tier, cheapest first.
        spare_writers: of tiers that do not answer now; asked only when the user names one.
        validator: checks programs before they run.
        executor: runs programs in sandboxes.
        diagnose: maps a failed attempt to its class, cause and hint.
        sinks: listeners; their failures are logged and break nothing.
        attempts_max: programs written for one question.
        clock: monotonic seconds.
        memory: gives models advice out of earlier runs; None: they get none.
        contest: holds contests among candidates; None: every attempt is one program.
        candidates: programs of a tier to choose among; of those left out, one.
        very_small: models whose answers say so.
        cookbook: recipes of the playbook that answer without a model; None: none do.
    """

    def __init__(
        self,
        router: Router,
        writers: Sequence[ProgramWriter],
        validator: Validator,
        executor: Executor,
        diagnose: Diagnose,
        sinks: Sequence[EventSink] = (),
        attempts_max: int = 3,
        clock: Clock = time.monotonic,
        spare_writers: Sequence[ProgramWriter] = (),
        memory: Memory | None = None,
        contest: Contest | None = None,
        candidates: Mapping[str, int] | None = None,
        very_small: frozenset[str] = frozenset(),
        cookbook: Cookbook | None = None,
    ) -> None:
        self._router = router
        self._ladder = Ladder(tuple(writers), tuple(spare_writers))
        self._validator = validator
        self._executor = executor
        self._diagnose = diagnose
        self._audience = Audience(sinks)
        self._attempts_max = attempts_max
        self._clock = clock
        self._memory = memory
        self._contest = contest
        self._candidates = candidates or {}
        self._very_small = very_small
        self._cookbook = cookbook

    def run(self, request: Request) -> Events:
        """Answer a question; `request.files` are profiled.

        Yields:
            The run's events; the last is `RunFinished`, whatever happens. Nothing is raised but
            cancellation: cancelling the task or closing the iterator kills the sandbox and still
            tells the listeners `RunFinished(error_code="cancelled")`.
        """
        progress = Progress(request.id, self._clock)
        return self._audience.told(progress, self._answer(request, progress))

    def execute(self, run_id: str, request: ExecutionRequest) -> Events:
        """Run a program that the user wrote, as it is; events and cancellation as in `run`."""
        progress = Progress(run_id, self._clock)
        return self._audience.told(progress, self._run_as_is(request, progress))

    async def _answer(self, request: Request, progress: Progress) -> Events:
        yield ev.RunStarted(request.id, request)
        route = self._route(request)
        progress.language = route.language
        yield ev.Routed(request.id, route)
        if answers.asks_for_no_program(request, route):
            yield progress.succeeded(say("conversation", route.language))
            return
        recipe = await reuse.reused(self._cookbook, request, route)
        tier: str | None = answers.RECIPE if recipe else route.tier
        failure, programs = None, 0
        while tier:
            progress.attempts += 1
            attempt = Attempt(progress.attempts, tier, request, route, failure, reused=recipe)
            attempt.candidates = self._count(attempt)
            async with aclosing(self._attempt(attempt)) as events:
                async for event in events:
                    yield event
            if attempt.answer is not None:
                yield progress.succeeded(attempt.answer)
                return
            if recipe:  # nobody is to repair its program: the usual way begins
                recipe, tier = None, route.tier
            else:
                programs += attempt.writer_answers
                failure = attempt.failure or failure
                tier = self._ladder.after(attempt) if programs < self._attempts_max else None
            if tier and attempt.diagnosis:
                yield ev.RepairStarted(request.id, attempt.number, attempt.diagnosis, tier)
        yield progress.given_up(attempt)

    def _route(self, request: Request) -> Route:
        tiers = self._ladder.tiers
        if request.tier is not None and request.tier not in tiers:
            tiers = (*tiers, self._ladder.writer(request.tier).tier)  # refuses an unknown one
        return self._router.route(request, tiers)

    async def _attempt(self, attempt: Attempt) -> Events:
        """Write, validate and run one program; `attempt` holds how it went."""
        run_id, program = attempt.request.id, None
        recipe = attempt.reused
        writer = reuse.Copyist(recipe) if recipe else self._ladder.writer(attempt.tier)
        advice = (recipe.advice,) if recipe else await recalled(self._memory, attempt)
        if advice:
            yield ev.Recalled(run_id, attempt.number, advice)
        if self._contest and attempt.is_contest:
            contested = self._contested(self._contest, attempt, writer, advice)
            async with aclosing(contested) as events:
                async for event in events:
                    yield event
            return
        pieces = writer.write(attempt.request, attempt.route, attempt.previous, advice)
        try:
            async with closed_after(pieces):
                async for piece in pieces:
                    if isinstance(piece, str):
                        yield ev.ProgramChunk(run_id, attempt.number, piece)
                    else:
                        program = piece
            program = answers.required(program, attempt.tier)
        except (ModelError, RequestError) as refusal:
            attempt.refused(refusal)
            return
        yield ev.ProgramWritten(run_id, attempt.number, program)
        findings = await self._validator.validate(program, answers.paths_of(attempt.request))
        yield ev.Validated(run_id, attempt.number, findings)
        if findings:
            diagnosis = await self._diagnose(program, None, findings, attempt.request)
            attempt.failed(Failure(program, diagnosis, None, findings))
            return
        execution = answers.execution_of(program, attempt.request, attempt.route)
        async with aclosing(self._execute(run_id, attempt.number, execution)) as events:
            async for event in events:
                yield event
                if isinstance(event, ev.ExecutionFinished):
                    await self._judge(attempt, program, event.result)

    async def _contested(
        self,
        contest: Contest,
        attempt: Attempt,
        writer: ProgramWriter,
        advice: tuple[Advice, ...],
    ) -> Events:
        """Let candidates be written and run; the one that is kept is the attempt's program."""
        bout = Bout(
            attempt.request, attempt.route, attempt.number, attempt.candidates, attempt.previous
        )
        try:
            async with aclosing(contest.events(bout, writer, advice)) as events:
                async for event in events:
                    yield event
        except RequestError as refusal:
            attempt.refused(refusal)
            return
        if bout.refusal is not None:
            attempt.refused(bout.refusal)
        elif bout.result is None:
            findings = bout.winner.findings
            diagnosis = await self._diagnose(bout.program, None, findings, attempt.request)
            attempt.failed(Failure(bout.program, diagnosis, None, findings))
        elif bout.result.success and not bout.kept:
            attempt.failed(Failure(bout.program, bout.unproven(), bout.result))
        elif bout.kept and answers.is_silent(bout.result):
            attempt.answer = answers.written(bout.program, attempt.route.language)
        else:
            await self._judge(attempt, bout.program, bout.result)

    def _count(self, attempt: Attempt) -> int:
        """How many programs an attempt chooses among; recipes always write the same one."""
        if attempt.tier == answers.RECIPE:
            return 1
        if attempt.request.candidates is not None:
            return attempt.request.candidates
        if attempt.tier == attempt.route.tier and attempt.route.candidates is not None:
            return attempt.route.candidates
        return self._candidates.get(attempt.tier, 1)

    async def _execute(self, run_id: str, number: int, execution: ExecutionRequest) -> Events:
        items = self._executor.execute(execution)
        async with closed_after(items):
            async for item in items:
                match item:
                    case SandboxReady(sandbox_id, template, grant):
                        yield ev.ExecutionStarted(run_id, number, sandbox_id, template, grant)
                    case Repeating():
                        yield ev.ExecutionRepeated(run_id, number, item)
                    case OutputChunk():
                        yield ev.Output(run_id, number, item)
                    case ResultItem():
                        yield ev.ResultShown(run_id, number, item)
                    case ExecutionResult():
                        yield ev.ExecutionFinished(run_id, number, item)

    async def _judge(self, attempt: Attempt, program: Program, result: ExecutionResult) -> None:
        """Take the result as the answer, or as a failure that shows."""
        language = attempt.route.language
        recipe = attempt.reused
        doubt = reuse.doubt(recipe, result, language) if recipe and result.success else None
        if doubt:
            attempt.failed(Failure(program, doubt, result))
        elif result.success and not answers.is_silent(result):
            attempt.answer = answers.answer_of(program, result, language, self._very_small)
            if recipe:
                attempt.answer += answers.of_recipe(recipe.advice, language)
        elif result.success:
            attempt.failed(Failure(program, answers.silence(language), result))
        else:
            diagnosis = await self._diagnose(program, result, (), attempt.request)
            attempt.failed(Failure(program, diagnosis, result))

    async def _run_as_is(self, execution: ExecutionRequest, progress: Progress) -> Events:
        request = answers.request_of(progress.run_id, execution)
        progress.attempts = 1
        yield ev.RunStarted(progress.run_id, request)
        program = Program(execution.code, execution.language)
        yield ev.ProgramWritten(progress.run_id, 1, program)
        async with aclosing(self._execute(progress.run_id, 1, execution)) as events:
            async for event in events:
                yield event
                if isinstance(event, ev.ExecutionFinished):
                    result = event.result
        if result.success:
            yield progress.succeeded(answers.printed(result))
        else:
            diagnosis = await self._diagnose(program, result, (), request)
            yield progress.program_failed(diagnosis)
