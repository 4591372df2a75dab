"""What a model did on each task: its candidates, the one that was kept, and its repairs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from capibara6.evaluation.models.measuring import PLAYBOOK, Measurement, Wanted
from capibara6.evaluation.models.suites import SuiteTask
from capibara6.store import ModelSample

Select = Callable[[SuiteTask, Sequence[ModelSample]], ModelSample]  # never by the suite's tests


@dataclass(slots=True)
class TaskResult:
    """One task.

    Attributes:
        candidates: the first is the greedy one.
        kept: the one that the search chose without the suite's tests.
        repairs: of the kept one, one after the other.
        advised: the greedy one when the prompt held advice of the playbook.
    """

    task: SuiteTask
    candidates: list[ModelSample]
    kept: ModelSample
    repairs: list[ModelSample] = field(default_factory=list)
    advised: ModelSample | None = None

    @property
    def samples(self) -> list[ModelSample]:
        """All programs."""
        advised = [self.advised] if self.advised else []
        return [*self.candidates, *self.repairs, *advised]

    @property
    def is_repaired(self) -> bool:
        """Whether only a repair made the kept program pass."""
        return not self.kept.passed and any(repair.passed for repair in self.repairs)


@dataclass(slots=True)
class Solving:
    """What is asked for each task, and what has come of it.

    Args:
        candidates: how many programs; the first is greedy.
        repairs: of the kept program, while it fails for its user to see.
        playbook: whether to ask once more with advice.
        select: keeps one of several candidates.
    """

    candidates: int
    repairs: int
    playbook: bool
    select: Select
    results: dict[str, TaskResult] = field(default_factory=dict)

    async def solve(self, measurement: Measurement, task: SuiteTask) -> None:
        """Take one task; a `Plan` of `measure`."""
        found = [
            await measurement.sample(Wanted(task, number)) for number in range(self.candidates)
        ]
        candidates = [sample for sample in found if sample is not None]
        if not candidates:
            return
        kept = candidates[0] if len(candidates) == 1 else self.select(task, candidates)
        result = TaskResult(task, candidates, kept)
        last = kept
        for number in range(1, self.repairs + 1):
            if last.passed or not last.visible:
                break
            wanted = Wanted(task, kept.candidate, number)
            repaired = await measurement.sample(wanted, last)
            if repaired is None:
                break
            result.repairs.append(repaired)
            last = repaired
        if self.playbook:
            result.advised = await measurement.sample(Wanted(task, variant=PLAYBOOK))
        self.results[task.id] = result
