"""Generated programs and what validation says about them."""

from dataclasses import dataclass, field
from typing import Any, Final

from capibara6.domain.executions import ExecutionResult


@dataclass(frozen=True, slots=True)
class Program:
    """A program ready to be validated and run."""

    code: str
    language: str = "python"  # programming language, as the sandbox names it
    origin: str = "user"  # "user", "recipe:<name>" or "model:<name>"
    tier: str = ""  # the tier that wrote it; "recipe" for recipes
    parameters: dict[str, Any] = field(default_factory=dict)  # of a recipe
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    tokens_estimated: bool = False  # the endpoint did not count them; the cost follows from them


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a model shall draw its answer."""

    temperature: float
    seed: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a program, found before it runs."""

    code: str  # the checker's rule, such as "F821"
    message: str
    line: int  # from 1
    column: int  # from 1
    suggestion: str = ""


# Classes of failure by what is not installed here, or not any more.
OUTDATED: Final = frozenset({"attribute_removed", "missing_name", "missing_module"})


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A failed execution, mapped to a class of error with a cause and a hint."""

    kind: (
        str  # stable class, such as "unknown_column", "out_of_memory", "timeout", "missing_module"
    )
    cause: str
    hint: str
    facts: tuple[str, ...] = ()  # of the installed packages, that explain it

    @property
    def is_outdated(self) -> bool:
        """Whether the program used what is not installed here, or not any more.

        That tells how old an author's knowledge is rather than what it can do: the message names
        what is there instead, and the playbook tells it beforehand the next time.
        """
        return self.kind in OUTDATED


@dataclass(frozen=True, slots=True)
class Failure:
    """The attempt before, as a repair needs it."""

    program: Program
    diagnosis: Diagnosis
    result: ExecutionResult | None = None  # None: stopped by validation, never run
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """An expression and what it must equal, both in Python."""

    call: str
    expected: str
