"""What the store answers with."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from capibara6.domain.executions import ExecutionError, ResultItem, Usage
from capibara6.store.states import INTERRUPTED, RunState

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of the records that match, newest first."""

    items: tuple[T, ...]
    total: int  # all that match
    offset: int


@dataclass(frozen=True, slots=True)
class ArtefactRecord:
    """A stored artefact; `blob` is the key of its file."""

    name: str
    mime: str
    size_bytes: int
    blob: str


@dataclass(frozen=True, slots=True)
class ExecutionRecord:
    """One program that ran. In a list, `results` and `artefacts` are left out."""

    id: str
    run_id: str | None  # None: it was asked for directly, not by a run
    attempt: int
    code: str
    language: str
    template: str
    sandbox_id: str
    success: bool
    error: ExecutionError | None
    stdout: str
    stderr: str
    truncated: bool
    usage: Usage
    tier: str
    origin: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    started_at: datetime
    finished_at: datetime
    results: tuple[ResultItem, ...] = ()
    artefacts: tuple[ArtefactRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One request and how it ended."""

    id: str
    question: str
    task: str | None  # None: it ended before it was routed
    template: str | None
    tier: str | None
    language: str | None
    confidence: float | None
    started_at: datetime
    finished_at: datetime | None  # None: it runs, or its platform has died and not come back
    success: bool | None
    answer: str | None
    attempts: int | None
    wall_s: float | None
    error_code: str | None
    error: str | None
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float

    @property
    def state(self) -> RunState:
        """How far it is."""
        if self.finished_at is None:
            return RunState.RUNNING
        if self.success:
            return RunState.SUCCEEDED
        return RunState.INTERRUPTED if self.error_code == INTERRUPTED else RunState.FAILED


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """Which executions; None means any."""

    run_id: str | None = None
    template: str | None = None
    tier: str | None = None
    language: str | None = None
    origin: str | None = None
    error_name: str | None = None
    success: bool | None = None
    since: datetime | None = None  # finished at or after
    until: datetime | None = None  # finished before


@dataclass(frozen=True, slots=True)
class Tally:
    """Executions of one kind."""

    total: int
    succeeded: int
    wall_mean_s: float
    cost_usd: float

    @property
    def success_rate(self) -> float:
        """Share that succeeded, 0..1; 0 when there were none."""
        return self.succeeded / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Stats:
    """All executions that match a filter, in figures."""

    overall: Tally
    wall_p50_s: float | None  # None: there were none
    wall_p95_s: float | None
    by_template: dict[str, Tally]
    by_tier: dict[str, Tally]
    errors: dict[str, int]  # ExecutionError.name -> how often, most frequent first


@dataclass(frozen=True, slots=True)
class Lesson:
    """A program that failed, why, and the program that then worked."""

    run_id: str
    at: datetime
    task: str
    template: str
    attempt: int
    kind: str
    cause: str
    hint: str
    error: str
    failed_code: str
    failed_origin: str
    repaired_code: str | None  # None: no later attempt succeeded
    repaired_origin: str | None


@dataclass(frozen=True, slots=True)
class UsageSample:
    """What one execution used, for limits that follow usage."""

    run_id: str | None
    at: datetime
    template: str
    task: str
    wall_s: float
    cpu_s: float | None
    memory_peak_bytes: int | None
    error_name: str  # "" when it succeeded; "OutOfMemory", "Timeout" say that a limit was too low
    disk_peak_bytes: int | None = None
    output_bytes: int | None = None
    first_error: str = ""  # of a first attempt, which was granted less; the rest is the second's


@dataclass(frozen=True, slots=True)
class LimitPin:
    """Limits of a task that somebody has set; None: the template's."""

    template: str
    task: str
    memory_bytes: int | None
    timeout_s: float | None
    at: datetime


@dataclass(frozen=True, slots=True)
class TierOutcome:
    """What one tier achieved on one question; the router learns from these."""

    id: str  # 32 hex digits, the same for the same outcome everywhere
    at: datetime
    question: str
    task: str
    tier: str
    success: float  # 0..1; between: it worked after a repair
    cost_usd: float


@dataclass(frozen=True, slots=True)
class ModelSample:
    """One program of a model for one task of a suite, and how it did.

    Attributes:
        id: 32 hex digits; the same for the same sample of the same model, settings and task.
        at: when its examination ended.
        tier: of the configuration; "reference" for a suite's own solutions.
        setup: 32 hex digits of model, settings and sandbox: samples of one setup are comparable.
        variant: "" or "playbook", when the prompt held advice.
        candidate: 0 for the greedy one.
        repair: how many times it was repaired.
        visible: whether its failure shows without tests.
        missing: the package that it could not import.
        signals: of the search among candidates.
        write_s: until the model had answered; run_s: in a sandbox, its start and end included.
    """

    id: str
    at: datetime
    suite: str
    task: str
    tier: str
    model: str
    setup: str
    variant: str
    candidate: int
    repair: int
    code: str
    passed: bool
    kind: str
    visible: bool
    error: str
    traceback: str
    missing: str
    signals: dict[str, Any]
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    write_s: float
    run_s: float
    cpu_s: float | None
    memory_peak_bytes: int | None
