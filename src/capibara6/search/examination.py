"""What is asked of a candidate, as a cell for its sandbox, and what that cell says. Pure."""

import importlib.resources
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from capibara6.domain.programs import Example
from capibara6.search.examples import found_examples
from capibara6.search.probes import probes
from capibara6.search.signature import Signature, signature_of

CHECK_S: Final = 2.0  # for one example or probe
WHOLE_S: Final = 15.0  # for all of them
_MARK: Final = "capibara6-examined "
_LINE_CHARS_MAX: Final = 4_000
_LINES_MAX: Final = 1_000
_TOO_SLOW: Final = "TooSlow"


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is known of the right answer, and what is asked besides.

    Attributes:
        examples: what the function, or the program's variables, must give.
        given: whether a user gave the examples; otherwise they were found in the question.
        tests: Python that raises where the program is wrong; "" without any.
        probes: calls whose right answers are not known.
        signature: of the function that is asked for; None: the question names none.
    """

    examples: tuple[Example, ...] = ()
    given: bool = False
    tests: str = ""
    probes: tuple[str, ...] = ()
    signature: Signature | None = None

    @property
    def asks(self) -> bool:
        """Whether there is anything to ask of a candidate, beside that it runs."""
        return bool(self.examples or self.tests.strip() or self.probes)


@dataclass(frozen=True, slots=True)
class Finding:
    """How one check went."""

    error: str = ""  # the exception's class; "TooSlow"; "" : a value came
    message: str = ""
    holds: bool = False  # of an example: it gave what it should
    type: str = ""  # of the value
    value: str = ""  # shortened
    digest: str = ""  # of the whole value


@dataclass(frozen=True, slots=True)
class Examined:
    """What a candidate was found to do; a check that is missing was never done."""

    program: Finding | None = None
    examples: dict[int, Finding] = field(default_factory=dict)
    tests: Finding | None = None
    probes: dict[int, Finding] = field(default_factory=dict)


def inquiry(question: str, examples: Sequence[Example] = (), tests: str = "") -> Inquiry:
    """What to ask of candidates for a question; what the user gives goes before what is found."""
    given = bool(examples or tests.strip())
    known = tuple(examples) if given else found_examples(question)
    signature = signature_of(question)
    return Inquiry(known, given, tests, probes(signature, known), signature)


def cell(code: str | None, asked: Inquiry, whole_s: float = WHOLE_S) -> str:
    """The program that examines a candidate, for a Python kernel or a plain Python.

    Args:
        code: the candidate; None: it has run in this kernel already.
        asked: what to ask.
        whole_s: for everything; beyond it what is left is not tried.
    """
    task = {
        "code": code,
        "examples": [{"call": one.call, "expected": one.expected} for one in asked.examples],
        "probes": list(asked.probes),
        "tests": asked.tests,
        "check_s": CHECK_S,
        "whole_s": whole_s,
    }
    text = importlib.resources.files(__package__).joinpath("examine.py").read_text("utf-8")
    # In names of its own, so that it hides none of the candidate's.
    names = f"{{'TASK': {json.dumps(task)!r}, 'NAMES': globals()}}"
    return f"exec(compile({text!r}, '<examination>', 'exec'), {names})"


def examined(stdout: str) -> Examined:
    """Read what the cell printed, as untrusted data: what is not of the form is passed over."""
    found = Examined()
    program = tests = None
    for kind, number, finding in _findings(stdout):
        match kind:
            case "program":
                program = program or finding
            case "tests":
                tests = tests or finding
            case "example":
                found.examples.setdefault(number, finding)
            case "probe":
                found.probes.setdefault(number, finding)
    return Examined(program, found.examples, tests, found.probes)


def _findings(stdout: str) -> Iterator[tuple[str, int, Finding]]:
    lines = [line for line in stdout.splitlines() if line.startswith(_MARK)]
    for line in lines[:_LINES_MAX]:
        try:
            told: Any = json.loads(line[len(_MARK) : len(_MARK) + _LINE_CHARS_MAX])
            yield str(told["kind"]), int(told["number"]), _finding(told)
        except (ValueError, KeyError, TypeError, RecursionError):
            continue


def _finding(told: dict[str, Any]) -> Finding:
    texts = {name: str(told.get(name, "")) for name in ("error", "message", "type", "value")}
    return Finding(**texts, holds=told.get("holds") is True, digest=str(told.get("digest", "")))
