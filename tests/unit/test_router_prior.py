"""What was measured of tiers is what the router starts from."""

from capibara6.domain.requests import Request
from capibara6.routing import Learner, LearningRouter, RuleRouter
from capibara6.routing.prior import prior
from capibara6.store import MeasuredTier

PRICES = {"small": 0.0, "large": 1.0}
MODELS = {"small": "s", "large": "l"}
QUESTION = "Write a function that sums numbers"


def measured(suite: str, tier: str, passed: int, tasks: int = 100, model: str = "") -> MeasuredTier:
    return MeasuredTier(suite, tier, model or MODELS[tier], tasks, passed)


def routed(known: dict[str, float], quality: float = 1.0) -> set[str]:
    """Where requests go first: beliefs are drawn from, so there may be several places."""
    learner = Learner(None, PRICES, known)  # type: ignore[arg-type] - nothing is read
    router = LearningRouter(RuleRouter(), learner, PRICES, quality)
    tiers = ("recipe", "small", "large")
    return {router.route(Request(f"{n:032x}", QUESTION), tiers).tier for n in range(50)}


def test_tiers_are_compared_on_one_suite_alone() -> None:
    found = prior(
        [
            measured("hard", "small", 5),
            measured("hard", "large", 45),
            measured("easy", "small", 99, tasks=1000),
        ],
        MODELS,
    )
    assert found == {"small": (5 + 10) / 120, "large": (45 + 10) / 120}


def test_another_model_behind_the_tier_does_not_count() -> None:
    assert prior([measured("suite", "small", 90, model="older")], MODELS) == {}
    assert prior([], MODELS) == {}


def test_a_few_tasks_say_little() -> None:
    found = prior([measured("suite", "small", 2, tasks=2)], MODELS)
    assert 0.5 < found["small"] < 0.6


def test_the_router_starts_from_what_was_measured() -> None:
    assert routed({}) == {"small"}, "by rules"
    assert routed({"small": 0.05, "large": 0.9}) == {"large"}
    assert routed({"small": 0.6, "large": 0.6}, quality=0.5) == {"small"}
    assert routed({"large": 0.9}) == {"small"}, "one tier alone cannot be compared"


def test_what_was_measured_shows_in_the_beliefs() -> None:
    learner = Learner(None, PRICES, {"small": 0.1, "large": 0.7})  # type: ignore[arg-type]
    beliefs = learner.beliefs(QUESTION, "code", ("small", "large"))
    assert [round(belief.mean, 6) for belief in beliefs.values()] == [0.1, 0.7]
