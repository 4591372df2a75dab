"""The bandit: what it learns from one outcome at a time, and what that costs."""

import json
import random
from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner

from capibara6.cli.commands import app
from capibara6.evaluation.online import run_online
from capibara6.evaluation.outcomes import OutcomeSet, PromptOutcomes, TierOutcome
from capibara6.routing.bandit import Bandit, draw, perceive

WORDS = ["add", "then", "take", "the", "last", "of", "sort", "mean"]
Success = Callable[[str, int], dict[str, float]]  # by prompt and its number


def prompts(count: int, success: Success, prices: dict[str, float], seed: int = 0) -> OutcomeSet:
    draws = random.Random(seed)
    found = []
    for number in range(count):
        text = " ".join(draws.choices(WORDS, k=draws.choice([3, 30])))
        outcomes = {
            tier: TierOutcome(float(draws.random() < chance), prices[tier])
            for tier, chance in success(text, number).items()
        }
        found.append(PromptOutcomes(text, "", outcomes))
    return OutcomeSet(found, tuple(sorted(prices, key=lambda tier: prices[tier])))


def by_length(text: str, _number: int) -> dict[str, float]:
    long = len(text) > 60
    return {"small": 0.2 if long else 0.9, "large": 0.8 if long else 0.5}


def test_before_any_outcome_a_dearer_tier_is_believed_to_be_better() -> None:
    bandit, seen = Bandit({"small": 1, "middle": 2, "large": 10}), perceive("hello there")
    means = {tier: bandit.belief(seen, tier).mean for tier in ("small", "middle", "large")}
    assert means["small"] < means["middle"] < means["large"]
    equal = Bandit({"a": 0, "b": 0}).beliefs(seen, ("a", "b"))
    assert equal["a"] == equal["b"]


def test_outcomes_move_beliefs_and_narrow_them() -> None:
    bandit, seen = Bandit({"a": 1, "b": 1}), perceive("sort the list")
    before = bandit.belief(seen, "a")
    for _ in range(30):
        bandit.learn(seen, "a", 1.0)
    after = bandit.belief(seen, "a")
    assert after.mean > before.mean + 0.3
    assert after.deviation < before.deviation
    assert after.outcomes == 30
    assert bandit.belief(seen, "b").deviation == before.deviation


def test_what_is_learnt_of_hardness_serves_all_tiers() -> None:
    bandit = Bandit({"a": 1, "b": 1})
    hard, easy = perceive("prove the lemma of zorn"), perceive("say a word")
    for _ in range(40):
        bandit.learn(hard, "a", 0.0)
        bandit.learn(easy, "a", 1.0)
    assert bandit.belief(hard, "b").mean < bandit.belief(easy, "b").mean - 0.3


def test_the_same_outcomes_give_the_same_beliefs() -> None:
    first, second = Bandit({"a": 1, "b": 2}), Bandit({"a": 1, "b": 2})
    for bandit in (first, second):
        for number in range(20):
            bandit.learn(perceive(f"question {number}"), "ab"[number % 2], float(number % 3 == 0))
    seen = perceive("another question")
    assert first.beliefs(seen, ("a", "b")) == second.beliefs(seen, ("a", "b"))
    assert draw(first.belief(seen, "a"), random.Random(1)) == draw(
        second.belief(seen, "a"), random.Random(1)
    )


def test_it_beats_every_single_tier_where_requests_differ() -> None:
    found = run_online(prompts(1500, by_length, {"small": 1, "large": 10}))
    assert found.score.reward > found.score.baselines.best_single + 0.05


def test_regret_is_bounded() -> None:
    """The regret of the second half is well below that of the first: it grows below linearly."""
    success: Success = lambda _text, _number: {"a": 0.3, "b": 0.5, "c": 0.75}  # noqa: E731
    halves = [0.0, 0.0]
    for seed in range(3):
        points = run_online(
            prompts(1200, success, dict.fromkeys("abc", 1.0), seed), seed=seed
        ).points
        middle, end = points[len(points) // 2 - 1], points[-1]
        lost = (middle.best_single - middle.reward) * middle.prompts
        halves[0] += lost
        halves[1] += (end.best_single - end.reward) * end.prompts - lost
    assert halves[1] < halves[0] * 0.6
    assert halves[0] < 3 * 600 * 0.25 * 0.6  # three fifths of what choosing blindly loses


def test_a_price_that_misleads_is_seen_through() -> None:
    success: Success = lambda _text, _number: {"cheap": 0.8, "dear": 0.5}  # noqa: E731
    found = run_online(prompts(600, success, {"cheap": 1, "dear": 50}))
    assert found.score.chosen["cheap"] > 450


def test_it_follows_a_tier_that_changes() -> None:
    def changing(_text: str, number: int) -> dict[str, float]:
        return {"a": 0.9 if number < 400 else 0.1, "b": 0.6}

    found = run_online(prompts(1600, changing, {"a": 1, "b": 1}))
    assert found.score.chosen["b"] > 850
    assert found.score.reward > 0.6


def test_the_dial_saves_cost() -> None:
    outcomes = prompts(400, by_length, {"small": 1, "large": 10})
    cheap, middle, dear = (run_online(outcomes, quality=q).score for q in (0.1, 0.6, 1.0))
    assert cheap.chosen["small"] > 380
    assert cheap.cost < middle.cost < dear.cost


def test_the_command_prints_the_curve(tmp_path: Path) -> None:
    found = prompts(60, by_length, {"small": 1, "large": 10})
    path = tmp_path / "outcomes.jsonl"
    with path.open("w") as file:
        for item in found.prompts:
            outcomes = {
                tier: {"success": o.success, "cost": o.cost} for tier, o in item.outcomes.items()
            }
            file.write(json.dumps({"prompt": item.prompt, "outcomes": outcomes}) + "\n")
    result = CliRunner().invoke(app, ["eval", "router", str(path), "--online", "--json"])
    assert result.exit_code == 0
    values = json.loads(result.stdout)
    assert values["apgr"] is None
    assert values["curve"][-1]["prompts"] == 60
    assert abs(values["curve"][-1]["reward"] - values["reward"]) < 1e-9
    told = CliRunner().invoke(app, ["eval", "router", str(path), "--online"])
    assert "reward so far" in told.stdout
