"""What a user asks for, and where it was routed."""

from dataclasses import dataclass, field
from typing import Final

from capibara6.domain.programs import Example

CANDIDATES_MAX: Final = 32  # for one attempt


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a data file as the profiler saw it."""

    name: str
    kind: str  # "number" | "text" | "date" | "boolean" | "empty"
    distinct: int  # distinct values in the sampled rows
    examples: tuple[str, ...] = ()  # up to three values as text, each at most 40 characters


@dataclass(frozen=True, slots=True)
class DataFile:
    """An input file, named as the program in the sandbox will see it (`/home/user/<name>`)."""

    name: str
    content: bytes = field(repr=False)
    columns: tuple[Column, ...] = ()  # empty until profiled, or when the file is not a table

    @property
    def path(self) -> str:
        """Where the file lies inside the sandbox."""
        return f"/home/user/{self.name}"


@dataclass(frozen=True, slots=True)
class Request:
    """A question in plain language, with its data and any choices the user made."""

    id: str  # 32 hex digits, also the id of the run
    question: str
    files: tuple[DataFile, ...] = ()
    template: str | None = None  # None: the router chooses
    tier: str | None = None  # None: the router chooses; "recipe" or a name of e2b_config.json
    timeout_s: float | None = None  # None: the template's
    candidates: int | None = None  # programs to choose among; None: the tier's, or as learnt
    examples: tuple[Example, ...] = ()  # what the program must give
    tests: str = ""  # Python that raises where the program is wrong


@dataclass(frozen=True, slots=True)
class Route:
    """The router's decision, with reasons a person can check."""

    task: str  # one of domain.tasks.TASKS
    template: str
    tier: str
    language: str  # natural language of the question: "es" | "en"
    confidence: float  # 0..1
    reasons: tuple[str, ...] = ()
    # Tiers that may follow after a visible error, when the router has learnt which pay; None: any.
    escalation: tuple[str, ...] | None = None
    candidates: int | None = None  # of the first tier, as learnt; None: as it is set
