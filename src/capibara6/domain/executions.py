"""A program's run in a sandbox and what came out of it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ExecutionRequest:
    """A program to run, with everything it needs."""

    code: str
    language: str = "python"
    template: str = "default"
    timeout_s: float | None = None  # None: the template's
    env: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)  # path inside the sandbox -> content
    task: str = ""  # as routed; "": a program of the user's own
    memory_bytes: int | None = None  # None: the template's


@dataclass(frozen=True, slots=True)
class Grant:
    """The limits of one run, as its task has needed them."""

    memory_bytes: int | None  # None: the template's
    timeout_s: float | None
    reason: str  # for people


@dataclass(frozen=True, slots=True)
class SandboxReady:
    """First item of an execution: where it runs."""

    sandbox_id: str
    template: str
    grant: Grant | None = None


@dataclass(frozen=True, slots=True)
class Repeating:
    """The program met a limit below its template's and runs again, in a new sandbox, with that."""

    error_name: str  # "OutOfMemory" | "Timeout"
    memory_bytes: int | None  # that it was granted; None: the template's
    timeout_s: float | None


@dataclass(frozen=True, slots=True)
class Entrant:
    """A candidate that ran, in a sandbox of its own that may still live.

    Attributes:
        result: what it did; without files, which are taken only of the one that is kept.
        checked: what the cell that examined it printed; untrusted.
    """

    sandbox_id: str
    result: "ExecutionResult"
    checked: str = ""
    forked: bool = True  # False: in a fresh sandbox, for want of a live fork


@dataclass(frozen=True, slots=True)
class OutputChunk:
    """A piece of output as it happened."""

    stream: str  # "stdout" | "stderr"
    text: str


@dataclass(frozen=True, slots=True)
class ResultItem:
    """One displayed value as a MIME bundle.

    `data` maps MIME types to text, base64 text (images, PDF) or JSON values; DataFrames come as
    "e2b/data" (column name -> list), figures as "image/png" and "e2b/chart".
    """

    data: dict[str, Any]
    is_main_result: bool = False


@dataclass(frozen=True, slots=True)
class ExecutionError:
    """How the user's program failed. Data, not an exception."""

    name: str  # the exception's class; "Timeout", "OutOfMemory", "SandboxDied" for limits
    value: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run used."""

    wall_s: float = 0.0
    cpu_s: float | None = None  # None: the provider does not say
    memory_peak_bytes: int | None = None
    disk_peak_bytes: int | None = None
    output_bytes: int | None = None
    first_error: str = ""  # "OutOfMemory" | "Timeout": of a first attempt with less granted


@dataclass(frozen=True, slots=True)
class Artefact:
    """A file that the program left behind, or a figure it displayed."""

    name: str
    mime: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """Everything that came back from one run."""

    success: bool
    stdout: str = ""
    stderr: str = ""
    results: tuple[ResultItem, ...] = ()
    error: ExecutionError | None = None
    artefacts: tuple[Artefact, ...] = ()
    usage: Usage = Usage()
    sandbox_id: str = ""
    template: str = ""
    truncated: bool = False  # output beyond the limit was dropped, and the text says so
