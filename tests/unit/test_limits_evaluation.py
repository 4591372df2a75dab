"""Memory limits that follow usage, and `capibara6 eval limits`."""

import json
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from capibara6.cli.commands import app
from capibara6.errors import DataFileError
from capibara6.evaluation.limits import UsedMemory, as_requested, read_trace, replay
from capibara6.tuning.recommender import RUNS_MIN, MemoryRecommender

MIB = 1024**2
HEAD = "task,requested_bytes,peak_bytes,duration_s\n"


def steady(count: int, spread: float, seed: int = 0) -> list[UsedMemory]:
    draw = random.Random(seed)
    peaks = [int(100 * MIB * (1 + draw.uniform(-spread, spread))) for _ in range(count)]
    return [UsedMemory("t", 300 * MIB, peak, 10.0) for peak in peaks]


def test_the_first_runs_get_what_they_ask_for() -> None:
    recommender = MemoryRecommender()
    for _ in range(RUNS_MIN):
        assert recommender.recommend("t", 300 * MIB).limit_bytes == 300 * MIB
        recommender.learn("t", 100 * MIB)
    found = recommender.recommend("t", 300 * MIB)
    assert 100 * MIB < found.limit_bytes < 300 * MIB
    assert found.runs == RUNS_MIN
    assert found.expected_bytes == pytest.approx(100 * MIB, rel=0.01)


def test_steady_tasks_waste_little_and_are_not_killed() -> None:
    score, static = replay(steady(800, 0.03)), as_requested(steady(800, 0.03))
    assert score.kills_percent <= 0.5
    assert score.waste_percent < 10
    assert static.kills_percent == 0
    assert static.waste_percent == pytest.approx(66.7, abs=0.5)


def test_restless_tasks_get_wider_margins() -> None:
    limits = []
    for spread in (0.01, 0.3):
        recommender = MemoryRecommender()
        for run in steady(100, spread):
            recommender.learn("t", run.peak_bytes)
        limits.append(recommender.recommend("t", 300 * MIB).limit_bytes)
    assert limits[1] > limits[0] * 1.2


def test_a_limit_never_exceeds_what_was_asked_for() -> None:
    recommender = MemoryRecommender()
    for number in range(20):
        recommender.learn("t", (1 + number % 5) * 100 * MIB)
    assert recommender.recommend("t", 250 * MIB).limit_bytes == 250 * MIB


def test_a_growing_task_is_followed() -> None:
    trace = [UsedMemory("t", 900 * MIB, int(100 * MIB * 1.002**n), 1.0) for n in range(600)]
    score = replay(trace)
    assert score.kills_percent <= 0.5
    assert score.waste_percent < 15


def test_a_kill_costs_both_attempts() -> None:
    trace = [*steady(50, 0.0), UsedMemory("t", 300 * MIB, 250 * MIB, 10.0)]
    score = replay(trace)
    assert score.kills_percent == pytest.approx(100 / 51)
    assert score.waste_percent > replay(steady(51, 0.0)).waste_percent


def test_the_command_prints_the_promised_keys(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(HEAD + "".join(f"t,300,{100 + n % 3},1.5\n" for n in range(50)))
    result = CliRunner().invoke(app, ["eval", "limits", str(path), "--json"])
    assert result.exit_code == 0
    values = json.loads(result.stdout)
    assert values["kills_percent"] == 0
    assert values["waste_percent"] < values["requested"]["waste_percent"]
    assert "as requested" in CliRunner().invoke(app, ["eval", "limits", str(path)]).stdout


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (HEAD, "no runs"),
        ("task,peak_bytes\nt,1\n", "line 2: 'requested_bytes'"),
        (HEAD + "t,300,many,1\n", "line 2"),
        (HEAD + "t,300,-1,1\n", "not numbers from 0"),
    ],
)
def test_a_wrong_trace_is_told_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(DataFileError, match=problem):
        read_trace(path)
