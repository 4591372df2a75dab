"""What can be said of a program: by looking at it, by running it, by examples and tests."""

import importlib.resources
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from capibara6.domain.executions import ExecutionRequest, ExecutionResult
from capibara6.domain.ports import Executor, Validator
from capibara6.domain.programs import Example, Finding, Program
from capibara6.errors import RequestError
from capibara6.streams import closed_after

EXAMPLES_MAX: Final = 200
_INPUT: Final = "/home/user/.capibara6-trial-input.json"  # as the trial names them
_OUTPUT: Final = "capibara6-trial.json"
_ARROW: Final = "=>"
_OUTPUT_BYTES_MAX: Final = 8 * 1024**2


class Standing(StrEnum):
    """How far a program has been shown to be right."""

    WRONG = "wrong"  # it certainly fails, or failed
    UNTRIED = "untried"  # nothing is certainly wrong with it; it was not run
    RAN = "ran"  # it ended without an error; what it gave was compared with nothing
    HELD = "held"  # and all examples and tests held


def parse_example(text: str) -> Example:
    """Read `f(2) => 4`.

    Raises:
        RequestError: there is no arrow, or nothing beside it.
    """
    call, arrow, expected = (part.strip() for part in text.partition(_ARROW))
    if not (arrow and call and expected):
        raise RequestError(f"example {text!r}: write CALL {_ARROW} EXPECTED, as f(2) => 4")
    return Example(call, expected)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried in a sandbox."""

    name: str
    passed: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A program and what it is to do."""

    code: str
    language: str = "python"
    template: str = "default"
    timeout_s: float | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    examples: Sequence[Example] = ()
    tests: str = ""
    run: bool = False  # also without examples and tests

    @property
    def is_tried(self) -> bool:
        """Whether it needs a sandbox."""
        return self.run or bool(self.examples or self.tests.strip())


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found.

    Attributes:
        standing: how far the program was shown to be right.
        findings: what is certainly wrong, found without running it.
        checks: what was tried; the first is the program itself.
        result: of the sandbox; None: it was not run.
    """

    standing: Standing
    findings: tuple[Finding, ...] = ()
    checks: tuple[Check, ...] = ()
    result: ExecutionResult | None = None


class Prover:
    """Judges programs.

    Args:
        validator: looks at them.
        executor: runs them.
    """

    def __init__(self, validator: Validator, executor: Executor) -> None:
        self._validator = validator
        self._executor = executor

    async def judge(self, claim: Claim) -> Verdict:
        """Look at a program and, where it may run and somebody asks for it, try it.

        Raises:
            RequestError: examples or tests of a language other than Python, or too many.
            ProviderError: the sandbox could not be had.
        """
        _check(claim)
        program = Program(claim.code, claim.language)
        findings = await self._validator.validate(program, tuple(_placed(claim)))
        if findings:
            return Verdict(Standing.WRONG, findings)
        if not claim.is_tried:
            return Verdict(Standing.UNTRIED)
        if claim.examples or claim.tests.strip():
            return await self._tried(claim)
        result = await self._run(claim, claim.code, {})
        return Verdict(Standing.RAN if result.success else Standing.WRONG, result=result)

    async def _tried(self, claim: Claim) -> Verdict:
        trial = importlib.resources.files(__package__).joinpath("trial.py")
        examples = [{"call": one.call, "expected": one.expected} for one in claim.examples]
        task = {"code": claim.code, "examples": examples, "tests": claim.tests}
        files = {_INPUT: json.dumps(task).encode()}
        result = await self._run(claim, trial.read_text(encoding="utf-8"), files)
        checks = _checks(result)
        if not checks:
            return Verdict(Standing.WRONG, result=result)
        # The program itself and at least one thing besides.
        held = len(checks) > 1 and all(check.passed for check in checks)
        return Verdict(Standing.HELD if held else Standing.WRONG, (), checks, result)

    async def _run(self, claim: Claim, code: str, more: Mapping[str, bytes]) -> ExecutionResult:
        request = ExecutionRequest(
            code,
            claim.language,
            claim.template,
            claim.timeout_s,
            files={**_placed(claim), **more},
        )
        async with closed_after(self._executor.execute(request)) as items:
            found = [item async for item in items if isinstance(item, ExecutionResult)]
        return found[-1]


def _check(claim: Claim) -> None:
    if claim.language != "python" and (claim.examples or claim.tests.strip()):
        raise RequestError(f"examples and tests are for Python, not {claim.language!r}")
    if len(claim.examples) > EXAMPLES_MAX:
        raise RequestError(f"{len(claim.examples)} examples are too many: at most {EXAMPLES_MAX}")


def _placed(claim: Claim) -> dict[str, bytes]:
    """The data files by their path inside the sandbox."""
    return {
        name if name.startswith("/") else f"/home/user/{name}": content
        for name, content in claim.files.items()
    }


def _checks(result: ExecutionResult) -> tuple[Check, ...]:
    """What the trial wrote, read as untrusted data; nothing where it wrote nothing of the form."""
    for artefact in result.artefacts:
        if artefact.name.rpartition("/")[2] == _OUTPUT:
            if len(artefact.content) > _OUTPUT_BYTES_MAX:
                return ()
            return _read(artefact.content)
    return ()


def _read(content: bytes) -> tuple[Check, ...]:
    try:
        found: Any = json.loads(content)["checks"]
        return tuple(
            Check(str(one["name"])[:500], one["passed"] is True, str(one["message"])[:4_000])
            for one in found
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()
