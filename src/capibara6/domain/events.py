"""What happens during a run, as it happens. Learners, monitoring and the store listen to these.

Order within one run: RunStarted, Routed?, then per attempt Recalled?, ProgramChunk*,
CandidateTried*, CandidateChosen?, ProgramWritten?, Validated?, ExecutionStarted?, Output*,
ResultShown*, ExecutionRepeated? with more of these, ExecutionFinished?, RepairStarted?, and last
RunFinished. A program of the user's own is neither routed nor validated.
"""

from dataclasses import dataclass, field

from capibara6.domain.executions import ExecutionResult, Grant, OutputChunk, Repeating, ResultItem
from capibara6.domain.playbook import Advice
from capibara6.domain.programs import Diagnosis, Finding, Program
from capibara6.domain.requests import Request, Route


@dataclass(frozen=True, slots=True)
class Event:
    """Base: the run it belongs to."""

    run_id: str


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """A request was accepted."""

    request: Request


@dataclass(frozen=True, slots=True)
class Routed(Event):
    """The router decided."""

    route: Route


@dataclass(frozen=True, slots=True)
class Recalled(Event):
    """The playbook had advice for the attempt's prompt."""

    attempt: int  # from 1
    advice: tuple[Advice, ...]


@dataclass(frozen=True, slots=True)
class ProgramChunk(Event):
    """A piece of the model's answer, as it streams."""

    attempt: int  # from 1
    text: str


@dataclass(frozen=True, slots=True)
class CandidateTried(Event):
    """One of several programs was written and tried, or could not be.

    Attributes:
        candidate: from 1; the first is the one that a single attempt would have been.
        program: None: the model gave none.
        success: it ran to its end, and left something.
        shown: what it printed, shortened; of one that failed, its error.
        sandbox_id: "" where it never ran.
        forked: whether in a live fork; otherwise in a fresh sandbox.
    """

    attempt: int
    candidate: int
    program: Program | None
    success: bool
    shown: str
    sandbox_id: str = ""
    forked: bool = False
    wall_s: float = 0.0
    examples_held: int = 0
    examples: int = 0


@dataclass(frozen=True, slots=True)
class CandidateChosen(Event):
    """One of the programs is kept, or is the one to repair; what follows is about it alone.

    Attributes:
        kept: False: none may stand; this one is repaired.
        ground: "tests" | "examples" | "agreement" | "cheapest" | "only" | "none".
        reason: the ground, for people.
        agreement: of each candidate that was tried, by its number: 0 to 1.
    """

    attempt: int
    candidate: int
    count: int  # asked for
    tried: int
    kept: bool
    ground: str
    reason: str
    agreement: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProgramWritten(Event):
    """A program is complete."""

    attempt: int
    program: Program


@dataclass(frozen=True, slots=True)
class Validated(Event):
    """The program was checked; no findings means it may run."""

    attempt: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class ExecutionStarted(Event):
    """A sandbox runs the program."""

    attempt: int
    sandbox_id: str
    template: str
    grant: Grant | None = None  # None: the template's limits


@dataclass(frozen=True, slots=True)
class Output(Event):
    """Output as it happens."""

    attempt: int
    chunk: OutputChunk


@dataclass(frozen=True, slots=True)
class ResultShown(Event):
    """A displayed value as it happens."""

    attempt: int
    item: ResultItem


@dataclass(frozen=True, slots=True)
class ExecutionRepeated(Event):
    """The program met a limit that was set from usage, and runs again with its template's."""

    attempt: int
    limit: Repeating


@dataclass(frozen=True, slots=True)
class ExecutionFinished(Event):
    """The program ended."""

    attempt: int
    result: ExecutionResult


@dataclass(frozen=True, slots=True)
class RepairStarted(Event):
    """The attempt failed visibly; the next one is told why, perhaps on a stronger tier."""

    attempt: int  # the attempt that failed
    diagnosis: Diagnosis
    next_tier: str


@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    """The run is over: `answer` is what the user reads; `error` says why there is none."""

    success: bool
    answer: str
    attempts: int
    wall_s: float
    error_code: str = ""  # a CapibaraError.code, or "program_failed"
    error: str = ""
