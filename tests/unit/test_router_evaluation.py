"""`capibara6 eval router`: the file, the folds and the metrics."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from capibara6.cli.commands import app
from capibara6.errors import DataFileError
from capibara6.evaluation.curves import curve
from capibara6.evaluation.folds import folds
from capibara6.evaluation.outcomes import OutcomeSet, read_outcomes
from capibara6.evaluation.router import cross_validate

KEYS = {"apgr", "cpt50", "cpt80", "reward", "regret", "best_single", "oracle"}


def line(prompt: str, task: str = "", **outcomes: tuple[float, float]) -> dict[str, Any]:
    found = {tier: {"success": s, "cost": c} for tier, (s, c) in outcomes.items()}
    return {"prompt": prompt, "task": task, "outcomes": found}


def written(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(item) + "\n" for item in lines))
    return path


def sums(count: int, *, learnable: bool, seed: int = 0) -> list[dict[str, Any]]:
    """Long prompts need the large tier, if there is anything to learn."""
    draw = random.Random(seed)
    lines = []
    for number in range(count):
        length = draw.choice([4, 40])
        words = " ".join(draw.choices(["add", "then", "take", "the", "last", "of"], k=length))
        hard = length == 40 if learnable else draw.random() < 0.5
        lines.append(line(f"{words} {number}", small=(float(not hard), 1), large=(1.0, 10)))
    return lines


def test_perfect_and_reversed_predictions_bound_the_curve() -> None:
    gained = [1.0] * 20 + [0.0] * 80
    perfect = curve([-n for n in range(100)], gained)
    assert perfect is not None
    assert perfect.apgr.value == pytest.approx(0.9)
    assert perfect.cpt50.value == pytest.approx(10)
    assert perfect.cpt80.value == pytest.approx(16)
    reverse = curve(range(100), gained)
    assert reverse is not None
    assert reverse.apgr.value == pytest.approx(0.1)
    assert reverse.cpt80.value == pytest.approx(96)


def test_equal_predictions_are_worth_a_random_router() -> None:
    flat = curve([0.5] * 50, [1.0, 0.0] * 25)
    assert flat is not None
    assert flat.apgr.value == pytest.approx(0.5)
    assert flat.cpt50.value == pytest.approx(50)
    assert flat.cpt80.value == pytest.approx(80)


def test_the_curve_may_fall_where_the_weak_tier_is_better() -> None:
    found = curve([3, 2, 1, 0], [1.0, -1.0, 1.0, 1.0])
    assert found is not None
    assert found.apgr.value == pytest.approx((0.25 + 0.25 + 0.25 + 0.75) / 4)
    assert found.cpt50.value == pytest.approx(25)  # the first time it is reached


def test_no_gain_has_no_curve() -> None:
    assert curve([1, 2], [0.0, 0.0]) is None
    assert curve([1, 2], [-1.0, 0.5]) is None


def test_intervals_hold_the_value_and_narrow_with_data() -> None:
    draw = random.Random(1)
    widths = []
    for size in (60, 1500):
        truth = [draw.random() for _ in range(size)]
        found = curve(truth, [float(draw.random() < p) for p in truth])
        assert found is not None
        assert found.apgr.low < found.apgr.value < found.apgr.high
        widths.append(found.apgr.high - found.apgr.low)
    assert widths[1] < widths[0] / 2


def test_copies_of_a_prompt_stay_in_one_fold() -> None:
    texts = [f"question {n % 10}" + " " * (n // 10) for n in range(40)]
    parts = folds(texts, 5)
    assert sorted(n for part in parts for n in part) == list(range(40))
    for part in parts:
        assert len({n % 10 for n in part}) * 4 == len(part)


def test_what_can_be_learnt_is_learnt_and_noise_is_not(tmp_path: Path) -> None:
    learnt = cross_validate(read_outcomes(written(tmp_path / "a", sums(120, learnable=True))))
    assert learnt.curve is not None
    assert learnt.curve.apgr.value > 0.7
    assert learnt.curve.apgr.low > 0.6
    noise = cross_validate(read_outcomes(written(tmp_path / "b", sums(120, learnable=False))))
    assert noise.curve is not None
    assert noise.curve.apgr.low < 0.5 < noise.curve.apgr.high


def test_nothing_leaks_from_what_is_scored(tmp_path: Path) -> None:
    # Every prompt stands twice with random outcomes: whoever sees its copy knows the answer.
    lines = sums(60, learnable=False)
    doubled = read_outcomes(written(tmp_path / "c", lines + lines))
    score = cross_validate(doubled)
    assert score.curve is not None
    assert score.curve.apgr.value < 0.65


def test_the_dial_trades_success_for_cost(tmp_path: Path) -> None:
    found = read_outcomes(written(tmp_path / "d", sums(120, learnable=True)))
    scores = [cross_validate(found, quality=quality) for quality in (0.0, 0.6, 1.0)]
    assert scores[0].chosen == {"small": 120, "large": 0}
    assert scores[0].cost < scores[1].cost < scores[2].cost
    assert scores[1].success > scores[0].success
    assert all(score.regret >= 0 for score in scores)
    assert scores[1].reward > scores[1].baselines.best_single


def test_baselines_know_hindsight(tmp_path: Path) -> None:
    lines = [line("a", "t", small=(1, 1), large=(0, 2), huge=(0, 3)) for _ in range(6)]
    lines += [line("b", "u", small=(0, 1), large=(1, 2), huge=(0, 3)) for _ in range(4)]
    score = cross_validate(read_outcomes(written(tmp_path / "e", lines)), fold_count=2)
    assert score.curve is None
    assert score.baselines.best_single == pytest.approx(0.6)
    assert score.baselines.best_per_task == score.baselines.oracle == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no lines"),
        ("{", "line 1"),
        ("[]", "line 1: no JSON object"),
        ('{"prompt": 1, "outcomes": {"a": {"success": 1, "cost": 0}}}', "'prompt' is 1"),
        ('{"prompt": "p", "outcomes": {}}', "names no tier"),
        ('{"prompt": "p", "outcomes": {"a": {"success": 2, "cost": 0}}}', "'success' of 'a' is 2"),
        ('{"prompt": "p", "outcomes": {"a": {"success": 1, "cost": -1}}}', "'cost' of 'a' is -1"),
        ('{"prompt": "p", "outcomes": {"a": {"success": NaN, "cost": 1}}}', "'success' of 'a'"),
        ('{"prompt": "p", "outcomes": {"a": {"success": 1, "cost": 0}}}', "fewer than two tiers"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "wrong.jsonl"
    path.write_text(text)
    with pytest.raises(DataFileError, match=problem):
        read_outcomes(path)


def test_prompts_without_every_tier_teach_but_are_not_scored(tmp_path: Path) -> None:
    lines = [*sums(40, learnable=True), line("only small", small=(1, 1))]
    found: OutcomeSet = read_outcomes(written(tmp_path / "f", lines))
    assert cross_validate(found).prompts == 40


def test_the_command_prints_the_promised_keys(tmp_path: Path) -> None:
    path = written(tmp_path / "g.jsonl", sums(40, learnable=True))
    result = CliRunner().invoke(app, ["eval", "router", str(path), "--json", "--folds", "3"])
    assert result.exit_code == 0
    values = json.loads(result.stdout)
    assert set(values) >= KEYS
    assert values["apgr"] > 0.5
    assert values["intervals"]["apgr"][0] <= values["apgr"] <= values["intervals"]["apgr"][1]
    told = CliRunner().invoke(app, ["eval", "router", str(path)])
    assert "CPT50" in told.stdout
    assert "oracle" in told.stdout


def test_the_command_tells_what_is_wrong(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["eval", "router", str(tmp_path / "none.jsonl")])
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr
