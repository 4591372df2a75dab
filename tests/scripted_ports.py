"""Ports that follow a script, for tests of the pipeline and of the faces."""

import asyncio

from capibara6.domain.events import Event, Output
from capibara6.domain.executions import (
    ExecutionError,
    ExecutionResult,
    OutputChunk,
    ResultItem,
    SandboxReady,
)
from capibara6.domain.programs import Diagnosis, Finding, Program
from capibara6.domain.requests import Request, Route
from capibara6.pipeline import Pipeline

RUN_ID = "0" * 32
GOOD = ExecutionResult(True, stdout="42\n")
BAD = ExecutionResult(False, error=ExecutionError("KeyError", "'yeer'", "Traceback ..."))
SILENT = ExecutionResult(True)


def question(tier=None, files=()):
    return Request(RUN_ID, "how many?", tuple(files), tier=tier)


class ScriptedRouter:
    def __init__(self, tier=None, task="describe", language="en"):
        self.tier, self.task, self.language = tier, task, language

    def route(self, request, tiers):
        tier = request.tier or self.tier or tiers[0]
        return Route(self.task, "default", tier, self.language, 0.9, ("because",))


class ScriptedWriter:
    """Each item of the script is a program's code, an exception, or a list of pieces."""

    at_once = 1

    def __init__(self, tier, *script):
        self.tier = tier
        self.script = list(script)
        self.asked = []
        self.advised = []

    async def write(self, request, route, failure=None, advice=(), sampling=None):
        self.asked.append(failure)
        self.advised.append(tuple(advice))
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        for piece in step if isinstance(step, list) else [step]:
            yield piece
        if not isinstance(step, list):
            origin = "recipe:count" if self.tier == "recipe" else "model:m"
            yield Program(step, origin=origin, tier=self.tier)


class ScriptedValidator:
    def __init__(self, refused=()):
        self.refused = refused

    async def validate(self, program, files=()):
        if program.code in self.refused:
            return (Finding("F821", "undefined name 'x'", 1, 1),)
        return ()


class ScriptedExecutor:
    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.requests = []
        self.killed = 0

    async def execute(self, request):
        self.requests.append(request)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        try:
            yield SandboxReady("sbx", request.template)
            yield OutputChunk("stdout", "42\n")
            if outcome == "hang":
                await asyncio.Event().wait()
            yield ResultItem({"text/plain": "42"})
            yield outcome
        finally:
            self.killed += 1


class Listener:
    def __init__(self):
        self.events: list[Event] = []
        self.output_seen = asyncio.Event()

    async def handle(self, event):
        self.events.append(event)
        if isinstance(event, Output):
            self.output_seen.set()


class BrokenListener:
    async def handle(self, event):
        raise OSError("disk full")


async def diagnose(program, result, findings, request):
    return Diagnosis("scripted", f"cause of {program.code}", "hint")


def pipeline(writers, executor, *, router=None, sinks=(), refused=(), attempts_max=3, spare=()):
    return Pipeline(
        router or ScriptedRouter(),
        writers,
        ScriptedValidator(refused),
        executor,
        diagnose,
        sinks,
        attempts_max,
        clock=lambda: 1.0,
        spare_writers=spare,
    )


async def collect(events):
    return [event async for event in events]


def names(events):
    return [type(event).__name__ for event in events]
