"""One contest among candidates: what each did, and which one is kept. Knows no sandbox."""

from dataclasses import dataclass, field, replace
from typing import Final

from capibara6 import answers
from capibara6.domain import events as ev
from capibara6.domain.executions import Entrant, ExecutionError, ExecutionResult
from capibara6.domain.programs import Diagnosis, Failure, Finding, Program
from capibara6.domain.requests import Request, Route
from capibara6.errors import CapibaraError, ModelError, RequestError
from capibara6.search.choice import Choice, Ground, Tried, choose
from capibara6.search.examination import Examined, Inquiry, examined, inquiry
from capibara6.texts import say

_SHOWN_CHARS_MAX: Final = 400
_FAILED_EXAMPLES_MAX: Final = 3


@dataclass(slots=True)
class Candidate:
    """One program of a contest."""

    number: int  # from 1
    program: Program | None = None
    findings: tuple[Finding, ...] = ()
    entrant: Entrant | None = None
    error: ExecutionError | None = None  # of one that was stopped, and has no entrant
    refusal: ModelError | RequestError | None = None  # the writer gave no program
    fault: CapibaraError | None = None  # there was no sandbox for it
    examined: Examined = field(default_factory=Examined)
    done: bool = False

    def like(self, other: "Candidate") -> None:
        """Its program is that of another candidate, which has been tried."""
        self.findings, self.entrant, self.error = other.findings, other.entrant, other.error
        self.fault, self.examined = other.fault, other.examined

    def ran(self, entrant: Entrant) -> None:
        """It came to its end, well or badly."""
        self.entrant = entrant
        self.examined = examined(entrant.checked)

    def tried(self, asked: Inquiry) -> Tried:
        """It as the choice sees it."""
        result = self.entrant.result if self.entrant else None
        if result is None or not result.success:
            return Tried(ran=False)
        return Tried(
            ran=asked.asks or not answers.is_silent(result),
            examined=self.examined,
            shown=answers.printed(result),
            cost=self.program.cost_usd if self.program else 0.0,
        )

    @property
    def shown(self) -> str:
        """What it came to, in short."""
        if self.entrant and self.entrant.result.success:
            return answers.printed(self.entrant.result)[:_SHOWN_CHARS_MAX]
        return self._problem[:_SHOWN_CHARS_MAX]

    @property
    def _problem(self) -> str:
        if problem := self.refusal or self.fault:
            return str(problem)
        if self.findings:
            return self.findings[0].message
        error = self.entrant.result.error if self.entrant else self.error
        return f"{error.name}: {error.value}" if error else ""


@dataclass(slots=True)
class Bout:
    """A contest for one attempt.

    Attributes:
        request: the question, and what the user says of the right answer.
        route: where it was routed.
        attempt: the attempt's number.
        count: how many candidates are asked for.
        previous: the attempt before, for a repair.
        result: of the candidate that was chosen, once the contest is over.
    """

    request: Request
    route: Route
    attempt: int
    count: int
    previous: Failure | None = None
    asked: Inquiry = field(init=False)
    candidates: list[Candidate] = field(init=False)
    choice: Choice | None = None
    result: ExecutionResult | None = None

    def __post_init__(self) -> None:
        request = self.request
        self.asked = inquiry(request.question, request.examples, request.tests)
        self.candidates = [Candidate(number) for number in range(1, self.count + 1)]

    @property
    def ended(self) -> list[Candidate]:
        """The candidates that were written and tried."""
        return [one for one in self.candidates if one.done]

    @property
    def tried(self) -> list[Tried]:
        """The ended ones, as the choice sees them."""
        return [one.tried(self.asked) for one in self.ended]

    @property
    def refusal(self) -> ModelError | RequestError | None:
        """Why no candidate has a program; None: one has."""
        if any(one.program for one in self.candidates):
            return None
        return next((one.refusal for one in self.candidates if one.refusal), None)

    def decide(self) -> Candidate:
        """Choose among those with a program, of which there must be one.

        Raises:
            CapibaraError: there was no sandbox for any of them.
        """
        written = [one for one in self.ended if one.program]
        faults = [one.fault for one in written if one.fault]
        if len(faults) == len(written):
            raise next(one.fault for one in self.ended if one.fault)
        for one in self.candidates:
            one.done = one.done and one.program is not None
        self.choice = choose(self.asked, self.tried)
        return self.winner

    @property
    def winner(self) -> Candidate:
        """The candidate that was chosen, to be kept or to be repaired."""
        if self.choice is None:
            raise RuntimeError("the contest is not decided")
        return self.ended[self.choice.best]

    @property
    def program(self) -> Program:
        """The chosen program, with what all candidates have cost."""
        chosen = self.winner.program
        if chosen is None:
            raise RuntimeError("a candidate without a program was chosen")
        programs = [one.program for one in self.candidates if one.program]
        return replace(
            chosen,
            prompt_tokens=sum(one.prompt_tokens for one in programs),
            completion_tokens=sum(one.completion_tokens for one in programs),
            cost_usd=sum(one.cost_usd for one in programs),
            tokens_estimated=any(one.tokens_estimated for one in programs),
        )

    @property
    def kept(self) -> bool:
        """Whether the chosen program may stand as the answer."""
        return self.choice is not None and self.choice.kept

    def trial(self, one: Candidate) -> ev.CandidateTried:
        """What a candidate did, as an event."""
        entrant = one.entrant
        return ev.CandidateTried(
            self.request.id,
            self.attempt,
            one.number,
            one.program,
            success=one.tried(self.asked).ran,
            shown=one.shown,
            sandbox_id=entrant.sandbox_id if entrant else "",
            forked=entrant.forked if entrant else False,
            wall_s=entrant.result.usage.wall_s if entrant else 0.0,
            examples_held=sum(found.holds for found in one.examined.examples.values()),
            examples=len(self.asked.examples),
        )

    def chosen(self, note: str = "") -> ev.CandidateChosen:
        """The choice, as an event."""
        if self.choice is None:
            raise RuntimeError("the contest is not decided")
        choice, ended = self.choice, self.ended
        agreements = zip(ended, choice.standings, strict=True)
        return ev.CandidateChosen(
            self.request.id,
            self.attempt,
            self.winner.number,
            self.count,
            len(ended),
            choice.kept,
            choice.ground.value,
            " ".join(part for part in (self._reason(choice), note) if part),
            {str(one.number): round(stands.agreement, 3) for one, stands in agreements},
        )

    def unproven(self) -> Diagnosis:
        """Why a program that ran may not stand: what the user gave does not hold."""
        found, language = self.winner.examined, self.route.language
        wrong = [
            f"{one.call}: {_gave(found, number)}, {one.expected}"
            for number, one in enumerate(self.asked.examples)
            if not (number in found.examples and found.examples[number].holds)
        ]
        if found.tests and found.tests.error:
            wrong.append(f"{found.tests.error}: {found.tests.message}")
        cause = say("unproven_cause", language, wrong="; ".join(wrong[:_FAILED_EXAMPLES_MAX]))
        return Diagnosis("tests_failed", cause, say("unproven_hint", language))

    def _reason(self, choice: Choice) -> str:
        standing = choice.standings[choice.best]
        name = (
            "ground_user_examples" if self._by_user_examples(choice) else f"ground_{choice.ground}"
        )
        return say(
            name,
            self.route.language,
            held=standing.examples_held,
            examples=choice.examples,
            agreement=standing.agreement,
        )

    def _by_user_examples(self, choice: Choice) -> bool:
        return choice.ground is Ground.TESTS and choice.examples > 0


def _gave(found: Examined, number: int) -> str:
    finding = found.examples.get(number)
    if finding is None:
        return "-"
    return finding.value or f"{finding.error}: {finding.message}"
