"""The choice among candidates: which is kept, and on what ground. Pure.

Grounds, strongest first: tests and examples that the user gave; examples found in the question;
agreement of the candidates' results; the cheapest that runs. Each next one breaks the ties of those
before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from capibara6.search.agreement import by_texts, by_values
from capibara6.search.examination import Examined, Inquiry

NOTHING: Final = Examined()


class Ground(StrEnum):
    """Why a candidate was kept."""

    TESTS = "tests"  # the user's tests or examples told it from the others
    EXAMPLES = "examples"  # those found in the question did
    AGREEMENT = "agreement"  # its results are those of most, or of more than any other's
    CHEAPEST = "cheapest"  # nothing tells them apart: the cheapest, then the first
    ONLY = "only"  # no other one runs
    NONE = "none"  # none runs, or none holds what the user gave


@dataclass(frozen=True, slots=True)
class Tried:
    """What one candidate did.

    Attributes:
        ran: the program ended without an error, and left something where it had to.
        examined: what its functions gave; empty where nothing was asked.
        shown: what it printed, or else its main result: the answer to a question.
        cost: of writing it, in any unit; where models cost nothing, all are equal.
    """

    ran: bool
    examined: Examined = NOTHING
    shown: str = ""
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How one candidate stands."""

    ran: bool
    tests_held: bool  # the user's tests; True where there are none
    examples_held: int
    agreement: float  # 0 to 1


@dataclass(frozen=True, slots=True)
class Choice:
    """What was decided.

    Attributes:
        best: the candidate to keep or, when all fail, to repair.
        kept: whether `best` may stand as the answer.
        ground: what told it from the others.
        standings: of all candidates, in their order.
        examples: how many were asked.
    """

    best: int
    kept: bool
    ground: Ground
    standings: tuple[Standing, ...]
    examples: int = 0


def choose(asked: Inquiry, tried: Sequence[Tried]) -> Choice:
    """Choose among candidates, of which there must be one at least; the first is the greedy one.

    The same candidates always give the same choice.
    """
    standings = _standings(asked, tried)
    others = sum(one.ran for one in tried) - 1
    keys = [_key(stands, one, others) for stands, one in zip(standings, tried, strict=True)]
    best = max(range(len(tried)), key=lambda number: (*keys[number], -number))
    kept = _may_stand(standings[best], asked)
    ground = _ground(standings, best, asked) if kept else Ground.NONE
    return Choice(best, kept, ground, tuple(standings), len(asked.examples))


def settled(asked: Inquiry, tried: Sequence[Tried], waiting: int) -> bool:
    """Whether candidates that are still running cannot change what counts any more.

    So it is when one holds all tests and examples; without any, when more than half of all
    candidates, those still running counted in, gave the same.
    """
    if waiting == 0 or not tried:
        return not waiting
    standings = _standings(asked, tried)
    if asked.examples or asked.tests.strip():
        return any(_holds_all(standing, asked) for standing in standings)
    running = [standing for standing in standings if standing.ran]
    alike = [_votes(standing, len(running) - 1) + 1 for standing in running]
    return any(_are_most(count, len(tried) + waiting) for count in alike)


def _standings(asked: Inquiry, tried: Sequence[Tried]) -> list[Standing]:
    agreements = _agreements(asked, tried)
    return [
        Standing(
            one.ran,
            _tests_held(asked, one.examined),
            sum(finding.holds for finding in one.examined.examples.values()),
            agreement,
        )
        for one, agreement in zip(tried, agreements, strict=True)
    ]


def _agreements(asked: Inquiry, tried: Sequence[Tried]) -> list[float]:
    """Among those that run; the others agree with nobody."""
    running = [number for number, one in enumerate(tried) if one.ran]
    if any(one.examined.probes or one.examined.examples for one in tried):
        found = by_values([tried[number].examined for number in running], asked)
    else:
        found = by_texts([tried[number].shown for number in running])
    shares = [0.0] * len(tried)
    for number, share in zip(running, found, strict=True):
        shares[number] = share
    return shares


def _tests_held(asked: Inquiry, found: Examined) -> bool:
    if not asked.tests.strip():
        return True
    return found.tests is not None and not found.tests.error


def _holds_all(standing: Standing, asked: Inquiry) -> bool:
    return standing.ran and standing.tests_held and standing.examples_held == len(asked.examples)


def _may_stand(standing: Standing, asked: Inquiry) -> bool:
    return _holds_all(standing, asked) if asked.given else standing.ran


def _key(standing: Standing, one: Tried, others: int) -> tuple[float, ...]:
    return (
        standing.ran,
        standing.tests_held,
        standing.examples_held,
        _votes(standing, others),
        -one.cost,
    )


def _votes(standing: Standing, others: int) -> int:
    """How many of the others agree, in whole votes: parts of one are chance and decide nothing."""
    return int(standing.agreement * max(others, 0) + 1e-9)


def _are_most(count: int, candidates: int) -> bool:
    return count > candidates / 2


def _ground(standings: Sequence[Standing], best: int, asked: Inquiry) -> Ground:
    """The first of the grounds on which the best stands above another one that runs."""
    won = standings[best]
    others = [one for number, one in enumerate(standings) if number != best and one.ran]
    if won.tests_held and (asked.tests.strip() or asked.examples) and _holds_all(won, asked):
        return Ground.TESTS if asked.given else Ground.EXAMPLES
    if not others:
        return Ground.ONLY
    if any(one.examples_held < won.examples_held for one in others):
        return Ground.EXAMPLES
    votes = _votes(won, len(others))
    if _are_most(votes + 1, len(others) + 1):  # those who disagree may have been stopped
        return Ground.AGREEMENT
    if any(_votes(one, len(others)) < votes for one in others):
        return Ground.AGREEMENT
    return Ground.CHEAPEST
