"""Has the tasks of a suite solved by a model, examines the programs, and keeps what came of it.

What is stored is never asked or run again, so that an interrupted measurement goes on where it was.
"""

import asyncio
import hashlib
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from capibara6.domain.programs import Program
from capibara6.evaluation.models.examiner import Examiner, Verdict
from capibara6.evaluation.models.suites import Suite, SuiteTask
from capibara6.store import ModelSample, ModelSamples

REFERENCE: Final = "reference"
PLAIN, PLAYBOOK = "", "playbook"


@dataclass(frozen=True, slots=True)
class Written:
    """A model's program for a task.

    Attributes:
        problem: why there is none to run.
        is_passing: whether another time may give another answer: it counts, and is asked again by
            the next measurement.
    """

    program: Program
    write_s: float = 0.0
    problem: str = ""
    is_passing: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """One program of a task: which candidate, after how many repairs, in which variant."""

    task: SuiteTask
    candidate: int = 0
    repair: int = 0
    variant: str = PLAIN


class Author(Protocol):
    """Who solves the tasks: a model, or the suite itself."""

    @property
    def tier(self) -> str:
        """Its name."""
        ...

    @property
    def model(self) -> str:
        """The model behind the name."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that makes its programs comparable."""
        ...

    @property
    def at_once(self) -> int:
        """How many programs may be asked of it at the same time."""
        ...

    async def write(self, wanted: Wanted, failed: ModelSample | None) -> Written | None:
        """Write a program, or repair one; None where this author has none to give.

        Raises:
            ModelError: it does not answer.
        """
        ...


class Reference:
    """The suite's own solutions."""

    tier = REFERENCE
    model = REFERENCE
    settings: Mapping[str, Any] = {}
    at_once = 64

    async def write(self, wanted: Wanted, failed: ModelSample | None) -> Written | None:
        """The task's solution; None where it has none."""
        code = wanted.task.reference
        if failed is not None or wanted.candidate or not code:
            return None
        return Written(Program(code, origin=REFERENCE, tier=REFERENCE))


Progress = Callable[[ModelSample, bool], None]  # a sample, and whether it was known before
Plan = Callable[["Measurement", SuiteTask], Awaitable[None]]


@dataclass
class Measurement:
    """One author on one suite.

    Args:
        suite: the tasks.
        author: who solves them.
        examiner: runs the programs.
        samples: where they are kept.
        setup: which samples are comparable.
        sandboxes: how many may be open at once.
        notify: told of each sample.
    """

    suite: Suite
    author: Author
    examiner: Examiner
    samples: ModelSamples
    setup: str
    sandboxes: asyncio.Semaphore
    notify: Progress = lambda _sample, _known: None
    known: dict[str, ModelSample] = field(default_factory=dict)
    _asking: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        """Bound what is asked at once."""
        self._asking = asyncio.Semaphore(self.author.at_once)

    async def sample(self, wanted: Wanted, failed: ModelSample | None = None) -> ModelSample | None:
        """One program with how it did: the stored one, or written and examined now.

        Raises:
            ModelError: the model does not answer.
            ProviderError: there is no sandbox to be had.
        """
        key = sample_id(self.setup, self.suite.name, wanted)
        if found := self.known.get(key):
            self.notify(found, True)
            return found
        async with self._asking:
            written = await self.author.write(wanted, failed)
        if written is None:
            return None
        if written.problem:
            verdict = Verdict(False, "no_program", visible=True, error=written.problem)
        else:
            async with self.sandboxes:
                verdict = await self.examiner.examine(
                    wanted.task, written.program.code, search=self.author.tier != REFERENCE
                )
        found = _sample(self, key, wanted, written, verdict)
        if not written.is_passing:
            await self.samples.add(found)
        self.known[key] = found
        self.notify(found, False)
        return found


async def measure(measurement: Measurement, plan: Plan, at_once: int) -> None:
    """Follow the plan for every task of the suite, several at once.

    Raises:
        CapibaraError: the first that ends it; what was stored until then stays.
    """
    measurement.known = await measurement.samples.of_setup(measurement.setup)
    tasks = iter(measurement.suite.tasks)

    async def worker() -> None:
        for task in tasks:
            await plan(measurement, task)

    workers = [asyncio.create_task(worker()) for _ in range(at_once)]
    try:
        done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for one in workers:
            one.cancel()
        await asyncio.wait(workers)
    for one in done:
        one.result()


def setup_of(author: Author, template: str, timeout_s: float, provider: str) -> str:
    """The id of all samples that may be compared and shared."""
    facts = {
        "tier": author.tier,
        "model": author.model,
        "settings": dict(author.settings),
        "template": template,
        "timeout_s": timeout_s,
        "provider": provider,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def sample_id(setup: str, suite: str, wanted: Wanted) -> str:
    """The id of a sample: the same program is never asked for twice."""
    place = f"{wanted.variant}/{wanted.candidate}/{wanted.repair}"
    task = json.dumps([suite, wanted.task.id, wanted.task.digest])
    return uuid.uuid5(uuid.NAMESPACE_OID, f"sample/{setup}/{task}/{place}").hex


def _sample(
    measurement: Measurement, key: str, wanted: Wanted, written: Written, verdict: Verdict
) -> ModelSample:
    program = written.program
    return ModelSample(
        id=key,
        at=datetime.now(UTC),
        suite=measurement.suite.name,
        task=wanted.task.id,
        tier=measurement.author.tier,
        model=measurement.author.model,
        setup=measurement.setup,
        variant=wanted.variant,
        candidate=wanted.candidate,
        repair=wanted.repair,
        code=program.code,
        passed=verdict.passed,
        kind=verdict.kind,
        visible=verdict.visible,
        error=verdict.error,
        traceback=verdict.traceback,
        missing=verdict.missing,
        signals=verdict.signals,
        prompt_tokens=program.prompt_tokens,
        completion_tokens=program.completion_tokens,
        cost_usd=program.cost_usd,
        write_s=written.write_s,
        run_s=verdict.run_s,
        cpu_s=verdict.cpu_s,
        memory_peak_bytes=verdict.memory_peak_bytes,
    )
