"""Memory limits that follow usage, and `capibara6 eval limits`."""

import json
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from capibara6.cli.commands import app
from capibara6.errors import DataFileError
from capibara6.evaluation.limits import UsedMemory, as_requested, read_trace, replay
from capibara6.tuning.recommender import MemoryRecommender, Peak

MIB = 1024**2
HEAD = "task,requested_bytes,peak_bytes,duration_s\n"


def steady(count: int, spread: float, seed: int = 0) -> list[UsedMemory]:
    draw = random.Random(seed)
    peaks = [int(100 * MIB * (1 + draw.uniform(-spread, spread))) for _ in range(count)]
    return [UsedMemory("t", 300 * MIB, peak, 10.0) for peak in peaks]


def learnt(trace: list[UsedMemory]) -> MemoryRecommender:
    recommender = MemoryRecommender()
    for run in trace:
        recommended = recommender.recommend(run.task, run.requested_bytes)
        killed = run.peak_bytes > recommended.limit_bytes
        peak = Peak(run.peak_bytes, run.requested_bytes, run.duration_s, killed)
        recommender.learn(run.task, peak, recommended)
    return recommender


def test_the_first_run_gets_what_it_asks_for_and_later_ones_less() -> None:
    first = MemoryRecommender().recommend("t", 300 * MIB)
    assert (first.limit_bytes, first.runs, first.kill_probability) == (300 * MIB, 0, 0.0)
    later = learnt(steady(20, 0.0)).recommend("t", 300 * MIB)
    assert 100 * MIB < later.limit_bytes < 300 * MIB
    assert later.runs == 20
    assert later.expected_bytes == pytest.approx(100 * MIB, rel=0.01)
    assert 0 < later.kill_probability < 0.1


def test_steady_tasks_waste_little_and_are_not_killed() -> None:
    score, static = replay(steady(800, 0.03)), as_requested(steady(800, 0.03))
    assert score.kills_percent <= 0.5
    assert score.waste_percent < 10
    assert static.kills_percent == 0
    assert static.waste_percent == pytest.approx(66.7, abs=0.5)


def test_restless_tasks_get_wider_margins() -> None:
    limits = [
        learnt(steady(100, spread)).recommend("t", 300 * MIB).limit_bytes for spread in (0.01, 0.3)
    ]
    assert limits[1] > limits[0] * 1.2


def test_a_limit_never_exceeds_what_was_asked_for() -> None:
    trace = [UsedMemory("t", 600 * MIB, (1 + n % 5) * 100 * MIB, 1.0) for n in range(20)]
    assert learnt(trace).recommend("t", 250 * MIB).limit_bytes <= 250 * MIB


def test_what_is_asked_for_is_believed_where_it_tells_the_peak() -> None:
    draw = random.Random(1)
    sizes = [draw.uniform(50, 500) * MIB for _ in range(200)]
    trace = [UsedMemory("t", int(3 * size), int(size), 1.0) for size in sizes]
    recommender = learnt(trace)
    for asked in (300 * MIB, 900 * MIB):
        assert asked / 3 <= recommender.recommend("t", asked).limit_bytes < asked / 2


def test_kills_are_taken_where_they_save_most() -> None:
    """Of two tasks with rare odd runs, the cheap one is provided for them, the dear one is not."""
    draw = random.Random(2)
    trace = []
    for number in range(3_000):
        odd = 2.0 if draw.random() < 0.02 else 1.0
        usual = draw.uniform(0.97, 1.03) * odd
        if number % 10:
            trace.append(UsedMemory("cheap", 300 * MIB, int(100 * MIB * usual), 1.0))
        else:
            trace.append(UsedMemory("dear", 6_000 * MIB, int(2_000 * MIB * usual), 60.0))
    score, recommender = replay(trace), learnt(trace)
    assert score.kills_percent <= 0.5
    assert recommender.recommend("cheap", 300 * MIB).limit_bytes > 195 * MIB
    assert recommender.recommend("dear", 6_000 * MIB).limit_bytes < 2_400 * MIB
    assert score.waste_percent < 25


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
