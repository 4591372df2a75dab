"""How far one run and one attempt have come. Mutable, private to the pipeline."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from capibara6.domain.events import RunFinished
from capibara6.domain.playbook import Reused
from capibara6.domain.programs import Diagnosis, Failure
from capibara6.domain.requests import Request, Route
from capibara6.errors import ModelError, ModelReplyError, RequestError
from capibara6.texts import DEFAULT_LANGUAGE, say

Clock = Callable[[], float]


@dataclass(slots=True)
class Attempt:
    """One attempt at a request: its answer, or why there is none."""

    number: int  # from 1
    tier: str
    request: Request
    route: Route
    previous: Failure | None = None  # what the writer is to mend
    answer: str | None = None
    diagnosis: Diagnosis | None = None  # set when there is no answer
    failure: Failure | None = None  # None: the writer gave no program
    refusal: ModelError | RequestError | None = None  # what the writer raised instead
    candidates: int = 1  # programs to choose among
    reused: Reused | None = None  # the playbook's recipe that is tried in place of a writer

    @property
    def is_contest(self) -> bool:
        """Whether candidates are tried, or one against what the user says of the right answer."""
        return self.candidates > 1 or bool(self.request.examples or self.request.tests.strip())

    @property
    def writer_answers(self) -> bool:
        """Whether asking the same writer again makes sense: it answers, well or badly."""
        return self.refusal is None or isinstance(self.refusal, ModelReplyError)

    def refused(self, refusal: ModelError | RequestError) -> None:
        """The writer gave no program."""
        self.refusal = refusal
        hint = say("writer_hint", self.route.language)
        self.diagnosis = Diagnosis(refusal.code, str(refusal), hint)

    def failed(self, failure: Failure) -> None:
        """The program failed visibly."""
        self.failure = failure
        self.diagnosis = failure.diagnosis


@dataclass(slots=True)
class Progress:
    """One run: when it started, how many attempts it made, whether its end was told."""

    run_id: str
    clock: Clock = time.monotonic
    language: str = DEFAULT_LANGUAGE
    attempts: int = 0
    finished: bool = False
    started_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.started_s = self.clock()

    def succeeded(self, answer: str) -> RunFinished:
        """The end of a run with an answer."""
        return self._finish(success=True, answer=answer, error_code="", error="")

    def failed(self, error_code: str, error: str) -> RunFinished:
        """The end of a run without an answer."""
        return self._finish(success=False, answer="", error_code=error_code, error=error)

    def program_failed(self, diagnosis: Diagnosis) -> RunFinished:
        """The end of a run whose last program failed."""
        cause, hint = diagnosis.cause, diagnosis.hint
        text = say("program_failed", self.language, attempts=self.attempts, cause=cause, hint=hint)
        return self.failed("program_failed", text.strip())

    def given_up(self, attempt: Attempt) -> RunFinished:
        """The end of a run after an attempt that led nowhere."""
        if isinstance(attempt.refusal, RequestError) and attempt.previous:
            # The writer has nothing left to try; what failed is the program before.
            return self.failed("program_failed", str(attempt.refusal))
        if attempt.refusal:
            return self.failed(attempt.refusal.code, str(attempt.refusal))
        return self.program_failed(attempt.diagnosis or Diagnosis("unknown", "", ""))

    def cancelled(self) -> RunFinished:
        """The end of a run whose asker has gone."""
        return self.failed("cancelled", say("cancelled", self.language))

    def broken(self, fault: Exception) -> RunFinished:
        """The end of a run that met a fault of the platform itself."""
        return self.failed("internal", say("internal", self.language, fault=type(fault).__name__))

    def _finish(self, *, success: bool, answer: str, error_code: str, error: str) -> RunFinished:
        self.finished = True
        return RunFinished(
            self.run_id,
            success=success,
            answer=answer,
            attempts=self.attempts,
            wall_s=self.clock() - self.started_s,
            error_code=error_code,
            error=error,
        )
