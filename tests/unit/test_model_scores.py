"""Scores of models: counts, intervals, and what time counts."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest

from capibara6.evaluation.models.plot import svg
from capibara6.evaluation.models.reasons import reasons
from capibara6.evaluation.models.results import TaskResult
from capibara6.evaluation.models.scores import as_json, pass_at, score, share
from capibara6.evaluation.models.suites import SuiteTask
from capibara6.store import ModelSample

START = datetime(2026, 1, 1, tzinfo=UTC)


def sample(
    *,
    passed: bool,
    visible: bool = False,
    candidate: int = 0,
    end_s: float = 1,
    run_s: float = 1,
    error: str = "",
    kind: str = "assertion",
    missing: str = "",
    signals: dict[str, Any] | None = None,
) -> ModelSample:
    return ModelSample(
        id="0" * 32,
        at=START + timedelta(seconds=end_s),
        suite="s",
        task="t",
        tier="small",
        model="m",
        setup="0" * 32,
        variant="",
        candidate=candidate,
        repair=0,
        code="",
        passed=passed,
        kind="" if passed else kind,
        visible=visible,
        error=error,
        traceback="",
        missing=missing,
        signals=signals or {},
        prompt_tokens=10,
        completion_tokens=5,
        cost_usd=0.5,
        write_s=1,
        run_s=run_s,
        cpu_s=None,
        memory_peak_bytes=None,
    )


def result(*outcomes: bool, kept: int = 0, repairs: tuple[bool, ...] = ()) -> TaskResult:
    candidates = [sample(passed=one, candidate=n, visible=True) for n, one in enumerate(outcomes)]
    task = SuiteTask("t", "0" * 32, "p")
    return TaskResult(task, candidates, candidates[kept], [sample(passed=one) for one in repairs])


def test_the_counts_of_a_model() -> None:
    results = [
        result(True, False, False),
        result(False, True, False, kept=1),
        result(False, True, True),
        result(False, False, False, repairs=(False, True)),
    ]
    found = as_json(score("small", "m", "s", results))
    named = ("tasks", "pass_1", "selected", "any", "repaired", "after_repair", "programs")
    assert [found[name] for name in named] == [4, 1, 2, 3, 1, 3, 14]
    assert found["failures"] == {"assertion": {"visible": 2, "invisible": 0}}
    assert found["pass_at"]["1"][0] == pytest.approx((0 + 0.5 + 1 + 0) / 4)
    assert found["cost_usd"] == 7
    low, high = found["shares"]["pass_1"][1:]
    assert low < 0.25 < high


def test_pass_at_k_is_the_share_of_draws_that_hold_one_that_passes() -> None:
    for drawn, passed, k in itertools.product(range(1, 7), range(7), range(1, 7)):
        if passed <= drawn >= k:
            draws = list(itertools.combinations(range(drawn), k))
            share_of_draws = sum(min(draw) < passed for draw in draws) / len(draws)
            assert pass_at(k, drawn, passed) == pytest.approx(share_of_draws)


def test_the_interval_of_a_share() -> None:
    assert share(0, 0).high == 1
    none, some, all_ = share(0, 164), share(8, 164), share(164, 164)
    assert (none.low, all_.high) == pytest.approx((0, 1))
    assert 0.97 < all_.low < 1
    assert (some.low, some.high) == pytest.approx((0.0249, 0.0933), abs=1e-3)  # Wilson's


def test_seconds_do_not_count_a_pause_between_two_calls() -> None:
    one = result(True)
    one.candidates = [
        sample(passed=True, end_s=2),  # 0 to 2
        sample(passed=False, end_s=3),  # 1 to 3
        sample(passed=False, end_s=1000),  # after an interruption
    ]
    found = score("small", "m", "s", [one])
    assert (found.seconds, found.sandbox_s) == (5, 3)
    assert found.programs_per_s == pytest.approx(1)


def test_why_solutions_fail_is_read_from_what_they_did() -> None:
    versions = {"versions": {"numpy": "2.3", "pandas": "3.0"}}
    failed = [
        sample(passed=False, kind="missing_module", missing="nltk.corpus"),
        sample(passed=False, kind="missing_module", missing="nltk"),
        sample(passed=False, signals=versions | {"outside": True}),
        sample(passed=False, kind="timeout", error="Timeout: …"),
        sample(passed=False, kind="index", error="IndexError: 3"),
        sample(passed=False, signals=versions),
        sample(passed=False, kind="attribute_removed", signals=versions | {"package": "pandas"}),
        sample(passed=False, kind="bad_value", signals=versions | {"package": "numpy"}),
    ]
    found = {reason: len(tasks) for reason, tasks in reasons(failed).items()}
    assert found == {
        "package nltk is not in the template": 2,
        "it needs the network, which sandboxes have not": 1,
        "it did not end in time": 1,
        "IndexError (index) without any package": 1,
        "numpy 2.3 or pandas 3.0 gives other values": 1,
        "removed in pandas 3.0": 1,
        "numpy 2.3 refuses what older ones take": 1,
    }


def test_the_picture_names_every_model_and_is_xml() -> None:
    scores = [
        score(name, "m", "s", [result(True), result(False, True, kept=1), result(False)])
        for name in ("small", "a <large> one")
    ]
    root = ElementTree.fromstring(svg("Suite & more", scores))
    words = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Suite & more", "small", "a <large> one", "greedy", "100 %"} <= set(words)
    assert words.count("33") == 2, "of three tasks the greedy program solves one"
    assert words.count("67") == 6
    assert words.count("3 tasks x 2 programs") == 2
    assert words.count("m") == 2, "the model's own name, under that of its tier"


def test_words_in_the_picture_stay_apart() -> None:
    long = "a_tier_whose_name_is_long" * 3
    root = ElementTree.fromstring(svg("t" * 500, [score(long, long, "s", [result(True)])] * 2))
    texts = root.iter("{http://www.w3.org/2000/svg}text")
    words = {text.text or "" for text in texts}
    assert not {long, "t" * 500} & words
    assert len(max(words, key=len)) < 60
    heights = [float(text.get("y", 0)) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert max(heights) < float(root.get("height", 0))
