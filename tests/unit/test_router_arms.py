"""The router learns whether the best of several programs pays better than a stronger tier."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from capibara6.domain.events import (
    CandidateChosen,
    CandidateTried,
    Event,
    ExecutionFinished,
    ProgramWritten,
    RepairStarted,
    Routed,
    RunFinished,
    RunStarted,
)
from capibara6.domain.executions import ExecutionResult
from capibara6.domain.programs import Diagnosis, Program
from capibara6.domain.requests import Request, Route
from capibara6.routing import Learner, LearningRouter, OutcomeListener, RuleRouter, arms
from capibara6.routing.arms import arm, tier_of
from capibara6.store import TierOutcome

PRICES = arms({"small": 0.5, "large": 10.0}, {"small": 5})
TIERS = ("recipe", "small", "large")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FINE = ExecutionResult(success=True, stdout="4")


class Outcomes:
    """Stored outcomes, in memory."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, TierOutcome]] = []

    async def add(self, found: Sequence[TierOutcome]) -> int:
        self.rows += enumerate(found, start=len(self.rows) + 1)
        return len(found)

    async def after(self, seq: int, limit: int) -> tuple[tuple[int, TierOutcome], ...]:
        return tuple(row for row in self.rows if row[0] > seq)[-limit:]

    async def oldest(self) -> int | None:
        return self.rows[0][0] if self.rows else None


def request(number: int, candidates: int | None = None) -> Request:
    question = "Write a function that sums numbers"
    return Request(f"{number:032x}", question, candidates=candidates)


async def learnt(successes: dict[str, float], count: int = 40) -> LearningRouter:
    """A router after outcomes of arms, as often right as said."""
    outcomes = Outcomes()
    found = [
        TierOutcome(
            f"{place}{number:031x}",
            NOW + timedelta(seconds=number),
            f"write a function that sums {number} numbers",
            "code",
            name,
            float(number % 10 < share * 10),
            0.01,
        )
        for number in range(count)
        for place, (name, share) in enumerate(successes.items())
    ]
    await outcomes.add(found)
    learner = Learner(outcomes, PRICES)  # type: ignore[arg-type]
    await learner.refresh()
    return LearningRouter(RuleRouter(), learner, PRICES, 0.9)


def test_arms_have_names_and_prices() -> None:
    assert PRICES == {"small": 0.5, "small*5": 2.5, "large": 10.0}
    assert (tier_of("small*5"), tier_of("small"), arm("a", 1)) == (("small", 5), ("small", 1), "a")
    assert list(arms({"a": 0.0, "b": 0.0}, {"a": 3})) == ["a", "a*3", "b"]


async def test_search_is_left_for_a_stronger_tier_where_it_does_not_pay() -> None:
    router = await learnt({"small": 0.1, "small*5": 0.1, "large": 1.0})
    routes = [router.route(request(number), TIERS) for number in range(40)]
    assert sum(route.tier == "large" and route.candidates == 1 for route in routes) > 30


async def test_search_is_chosen_where_it_does() -> None:
    router = await learnt({"small": 0.3, "small*5": 1.0, "large": 1.0})
    routes = [router.route(request(number), TIERS) for number in range(40)]
    assert sum(route.tier == "small" and route.candidates == 5 for route in routes) > 30
    assert all("small*5" in route.reasons[-1] for route in routes if route.candidates == 5)
    assert all("small" not in (route.escalation or ()) for route in routes)


async def test_one_program_is_kept_where_search_gains_nothing() -> None:
    router = await learnt({"small": 1.0, "small*5": 1.0, "large": 1.0})
    routes = [router.route(request(number), TIERS) for number in range(40)]
    assert sum(route.tier == "small" and route.candidates == 1 for route in routes) > 25


async def test_before_any_outcome_and_for_a_number_of_the_users_the_setting_stands() -> None:
    nothing = await learnt({})
    assert nothing.route(request(1), TIERS).candidates is None
    router = await learnt({"small": 0.3, "small*5": 1.0, "large": 1.0})
    assert router.route(request(1, candidates=3), TIERS).candidates is None


async def taught(*events: Event) -> dict[str, float]:
    outcomes = Outcomes()
    listener = OutcomeListener(outcomes, Learner(outcomes, PRICES), clock=lambda: NOW)  # type: ignore[arg-type]
    route = Route("code", "default", "small", "en", 1.0)
    for event in (RunStarted("r", Request("r", "sum")), Routed("r", route), *events):
        await listener.handle(event)
    return {found.tier: found.success for _, found in outcomes.rows}


def tried(number: int, *, success: bool, held: int = 0) -> CandidateTried:
    program = Program("x", tier="small", cost_usd=0.1)
    return CandidateTried("r", 1, number, program, success, "", examples_held=held, examples=2)


def chosen(*, kept: bool = True) -> CandidateChosen:
    return CandidateChosen("r", 1, 2, 5, 5, kept, "examples", "")


WRITTEN = ProgramWritten("r", 1, Program("x", tier="small", cost_usd=0.5))
END = RunFinished("r", success=True, answer="", attempts=1, wall_s=1.0)


async def test_a_search_teaches_of_itself_and_of_its_first_program() -> None:
    found = await taught(
        tried(1, success=True, held=1),
        tried(2, success=True, held=2),
        chosen(),
        WRITTEN,
        ExecutionFinished("r", 1, FINE),
        END,
    )
    assert found == {"small": 0, "small*5": 1}


async def test_a_search_that_keeps_none_is_a_failure() -> None:
    events = (tried(1, success=True, held=2), chosen(kept=False), WRITTEN)
    assert await taught(*events, ExecutionFinished("r", 1, FINE), END) == {"small": 1, "small*5": 0}
    repair = RepairStarted("r", 1, Diagnosis("tests_failed", "", ""), "large")
    large = ProgramWritten("r", 2, Program("y", tier="large"))
    found = await taught(
        *events,
        ExecutionFinished("r", 1, FINE),
        repair,
        large,
        ExecutionFinished("r", 2, FINE),
        END,
    )
    assert found == {"small": 1, "small*5": 0, "large": 1}
