"""The router that learns: rules first, then outcomes; cascades; faults."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from capibara6.domain.events import (
    Event,
    ExecutionFinished,
    ProgramWritten,
    RepairStarted,
    Routed,
    RunFinished,
    RunStarted,
    Validated,
)
from capibara6.domain.executions import ExecutionError, ExecutionResult
from capibara6.domain.programs import Diagnosis, Finding, Program
from capibara6.domain.requests import Request, Route
from capibara6.errors import UnknownTierError
from capibara6.routing import Learner, LearningRouter, OutcomeListener, RuleRouter
from capibara6.routing.bandit import Belief
from capibara6.routing.cascade import escalation, shares_of_cost, worths
from capibara6.store import TierOutcome

PRICES = {"small": 0.5, "large": 10.0}
TIERS = ("recipe", "small", "large")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Outcomes:
    """Stored outcomes, in memory."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, TierOutcome]] = []
        self.seq = 0

    async def add(self, found: Sequence[TierOutcome]) -> int:
        known = {outcome.id for _, outcome in self.rows}
        for outcome in found:
            if outcome.id not in known:
                self.seq += 1
                self.rows.append((self.seq, outcome))
        return len(self.rows)

    async def after(self, seq: int, limit: int) -> tuple[tuple[int, TierOutcome], ...]:
        return tuple(row for row in self.rows if row[0] > seq)[-limit:]

    async def oldest(self) -> int | None:
        return self.rows[0][0] if self.rows else None


def outcome(
    number: int, tier: str, success: float, question: str = "sum the numbers"
) -> TierOutcome:
    at = NOW + timedelta(seconds=number)
    return TierOutcome(f"{number:032x}", at, question, "code", tier, success, 0.01)


def request(number: int, question: str = "Write a function that sums numbers") -> Request:
    return Request(f"{number:032x}", question)


def router(learner: Learner, quality: float = 0.9) -> LearningRouter:
    return LearningRouter(RuleRouter(), learner, PRICES, quality)


async def learnt(found: list[TierOutcome]) -> Learner:
    outcomes = Outcomes()
    await outcomes.add(found)
    learner = Learner(outcomes, PRICES)  # type: ignore[arg-type]
    await learner.refresh()
    return learner


async def test_before_any_outcome_the_rules_decide() -> None:
    learner = await learnt([])
    assert router(learner).route(request(1), TIERS) == RuleRouter().route(request(1), TIERS)


async def test_a_tier_that_fails_here_is_left_for_one_that_works() -> None:
    found = [outcome(n, "small", 0.0) for n in range(40)]
    found += [outcome(100 + n, "large", 1.0) for n in range(40)]
    learned = router(await learnt(found))
    assert RuleRouter().route(request(1), TIERS).tier == "small"
    routes = [learned.route(request(n), TIERS) for n in range(20)]
    assert [route.tier for route in routes].count("large") >= 18
    assert "expected success by 80 outcomes here" in routes[0].reasons[-1]
    assert "(40)" in routes[0].reasons[-1]
    spanish = learned.route(request(1, "Escribe una función que sume números"), TIERS)
    assert "éxito esperado" in spanish.reasons[-1]


async def test_a_cheap_tier_that_works_is_kept_unless_success_is_all_that_counts() -> None:
    pairs = [(outcome(n, "small", n % 2), outcome(100 + n, "large", 1.0)) for n in range(60)]
    learner = await learnt([found for pair in pairs for found in pair])
    saving = router(learner, quality=0.5).route(request(1), TIERS)
    assert (saving.tier, saving.escalation) == ("small", ())
    spending = [router(learner, quality=1.0).route(request(n), TIERS) for n in range(10)]
    assert [route.tier for route in spending].count("large") >= 8
    assert {route.escalation for route in spending if route.tier == "small"} <= {("large",)}


async def test_a_tier_that_was_never_asked_is_tried() -> None:
    learned = router(await learnt([outcome(n, "large", 1.0) for n in range(100)]))
    route = learned.route(request(1), TIERS)
    assert route.tier == "small"
    assert "tried now and then" in route.reasons[-1]


async def test_a_tier_that_could_not_pay_were_it_always_right_is_not_tried() -> None:
    learner = await learnt([outcome(n, "small", 1.0) for n in range(100)])
    assert learner.untried(["small", "large"]) == "large"
    assert router(learner, quality=1.0).route(request(1), TIERS).tier == "large"
    saving = [router(learner, quality=0.5).route(request(n), TIERS) for n in range(20)]
    assert {route.tier for route in saving} == {"small"}


async def test_the_same_request_gets_the_same_route() -> None:
    found = [outcome(n, ("small", "large")[n % 2], float(n % 3 == 0)) for n in range(30)]
    first, second = router(await learnt(found)), router(await learnt(found))
    for number in range(20):
        assert first.route(request(number), TIERS) == second.route(request(number), TIERS)


async def test_choices_of_the_user_and_recipes_stand() -> None:
    learned = router(await learnt([outcome(n, "large", 1.0) for n in range(50)]))
    pinned = Request("1" * 32, "Write a function", tier="small")
    assert learned.route(pinned, TIERS) == RuleRouter().route(pinned, TIERS)
    assert learned.route(request(1), ("recipe",)).tier == "recipe"
    assert learned.route(request(1), ("recipe", "small")).tier == "small"
    assert learned.route(request(1), ("recipe", "small", "new")).escalation is None
    with pytest.raises(UnknownTierError):
        learned.route(Request("1" * 32, "x", tier="none"), TIERS)


async def test_a_broken_learner_costs_nobody_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Learner):
        def beliefs(self, question: str, task: str, tiers: Sequence[str]) -> dict[str, Belief]:
            raise ZeroDivisionError

    learner = Broken(Outcomes(), PRICES)  # type: ignore[arg-type]
    with caplog.at_level(logging.ERROR):
        route = router(learner).route(request(1), TIERS)
    assert route.tier == "small"
    assert "by rules alone" in route.reasons[-1]
    assert "learner failed" in caplog.text


async def test_processes_that_share_outcomes_come_to_the_same_beliefs() -> None:
    outcomes = Outcomes()
    one, two = (Learner(outcomes, PRICES) for _ in range(2))  # type: ignore[arg-type]
    for number in range(12):
        await outcomes.add([outcome(number, "small", float(number % 2))])
        await (one if number % 3 else two).refresh()
    await one.refresh()
    await two.refresh()
    asked = ("how many numbers", "code", ["small", "large"])
    assert one.beliefs(*asked) == two.beliefs(*asked)


async def test_a_reset_is_noticed() -> None:
    outcomes = Outcomes()
    learner = Learner(outcomes, PRICES)  # type: ignore[arg-type]
    await outcomes.add([outcome(n, "small", 0.0) for n in range(30)])
    await learner.refresh()
    outcomes.rows.clear()
    await outcomes.add([outcome(99, "large", 1.0)])
    await learner.refresh()
    beliefs = learner.beliefs("sum", "code", ["small", "large"])
    assert (beliefs["small"].outcomes, beliefs["large"].outcomes) == (0, 1)


def test_a_cascade_starts_cheaply_where_the_error_would_show() -> None:
    costs = shares_of_cost(PRICES)
    likely = {"small": 0.8, "large": 0.9}
    worth = worths(likely, costs, ["small", "large"], 0.7)
    assert worth["small"] > worth["large"]
    assert worths(likely, costs, ["small", "large"], 1.0)["large"] == pytest.approx(0.9)
    assert escalation(likely, costs, ["small", "large"], "small", 0.9) == ("large",)
    assert escalation({"small": 0.8, "large": 0.05}, costs, ["small", "large"], "small", 0.5) == ()
    # No tier is right more often than always, whatever a linear belief says.
    assert escalation({"small": 0.8, "large": 1.2}, costs, ["small", "large"], "small", 0.5) == ()


def test_models_without_prices_cost_by_their_order() -> None:
    assert shares_of_cost({"a": 0, "b": 0}) == {"a": 0.5, "b": 1.0}
    assert shares_of_cost({"a": 1, "b": 4}) == {"a": 0.25, "b": 1.0}


# -- what runs teach ------------------------------------------------------------------------------

FAULT = ExecutionResult(success=False, error=ExecutionError("KeyError", "x", "x"))
FINE = ExecutionResult(success=True, stdout="4")
WRONG = Diagnosis("unknown_column", "", "")
ROUTE = Route("code", "default", "small", "en", 1.0)


async def taught(*events: Event, excuses: bool = False) -> dict[str, float]:
    outcomes = Outcomes()
    learner = Learner(outcomes, PRICES)  # type: ignore[arg-type]
    listener = OutcomeListener(outcomes, learner, excuses=excuses, clock=lambda: NOW)  # type: ignore[arg-type]
    for event in (RunStarted("r", Request("r", "sum")), Routed("r", ROUTE), *events):
        await listener.handle(event)
    return {found.tier: found.success for _, found in outcomes.rows}


def written(attempt: int, tier: str) -> Event:
    return ProgramWritten("r", attempt, Program("x", tier=tier, cost_usd=0.1))


END = RunFinished("r", success=True, answer="", attempts=1, wall_s=1.0)


async def test_a_first_success_teaches_one() -> None:
    assert await taught(written(1, "small"), ExecutionFinished("r", 1, FINE), END) == {"small": 1}


async def test_an_escalation_teaches_of_both_tiers() -> None:
    found = await taught(
        written(1, "small"),
        ExecutionFinished("r", 1, FAULT),
        RepairStarted("r", 1, WRONG, "large"),
        written(2, "large"),
        ExecutionFinished("r", 2, FINE),
        END,
    )
    assert found == {"small": 0, "large": 1}


async def test_a_success_after_a_repair_counts_half() -> None:
    found = await taught(
        written(1, "large"),
        Validated("r", 1, (Finding("F821", "x", 1, 1),)),
        RepairStarted("r", 1, WRONG, "large"),
        written(2, "large"),
        ExecutionFinished("r", 2, FINE),
        END,
    )
    assert found == {"large": 0.5}


@pytest.mark.parametrize(
    ("excuses", "kind", "mender", "found"),
    [
        (True, "attribute_removed", "small", {"small": 1}),
        (True, "missing_name", "large", {"large": 1}),
        (True, "unknown_column", "small", {"small": 0.5}),
        (False, "attribute_removed", "small", {"small": 0.5}),
        (False, "missing_name", "large", {"small": 0, "large": 1}),
    ],
)
async def test_what_the_playbook_teaches_is_held_against_no_tier(
    excuses: bool, kind: str, mender: str, found: dict[str, float]
) -> None:
    events = [
        written(1, "small"),
        ExecutionFinished("r", 1, FAULT),
        RepairStarted("r", 1, Diagnosis(kind, "", ""), mender),
        written(2, mender),
        ExecutionFinished("r", 2, FINE),
        END,
    ]
    assert await taught(*events, excuses=excuses) == found


async def test_a_silent_program_is_no_success() -> None:
    found = await taught(
        written(1, "small"),
        ExecutionFinished("r", 1, ExecutionResult(success=True)),
        RepairStarted("r", 1, Diagnosis("no_output", "", ""), "small"),
        END,
    )
    assert found == {"small": 0}


async def test_what_says_nothing_about_a_tier_is_not_learnt() -> None:
    assert await taught(written(1, "small"), END) == {}  # cancelled, or the sandbox was lost
    assert await taught(RepairStarted("r", 1, Diagnosis("model_busy", "", ""), "large"), END) == {}
    assert await taught(written(1, "recipe"), ExecutionFinished("r", 1, FINE), END) == {}
