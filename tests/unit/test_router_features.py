"""Features of requests and the regression on them."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara6.routing.features import SIZE, TEXT_CHARACTERS_MAX, features
from capibara6.routing.gains import GainModel
from capibara6.routing.ridge import fit, fit_chosen
from capibara6.routing.structure import OUTLINE_SIZE, outline


@given(st.text(max_size=300))
def test_any_text_has_features_within_bounds(text: str) -> None:
    row = features(text)
    assert len(row.places) == len(row.values) == len(set(row.places)) >= 2
    assert all(0 <= place < SIZE for place in row.places)
    assert row.norm == pytest.approx(sum(value**2 for value in row.values))
    assert len(outline(text)) == OUTLINE_SIZE
    assert sum(value**2 for value in outline(text)) < 9


def test_features_are_the_same_in_every_process() -> None:
    row = features("¿Cuántas ventas hubo en 2024?")
    # Written down, since what was learnt is stored: another value would be another meaning.
    assert row.places[:4] == (26461, 36254, 57255, 115010)


def test_numbers_count_by_their_size() -> None:
    assert features("add 12 and 34").places[:6] == features("add 21 and 43").places[:6]
    assert features("add 12").places != features("add 123456").places


def test_a_long_text_is_looked_at_by_its_ends() -> None:
    ends = "a beginning " + "x " * TEXT_CHARACTERS_MAX + "and an end"
    assert len(features(ends).places) < 200
    assert features(ends) == features(ends.replace("x x x x", "x x x x x x x x"))


def test_the_task_is_a_feature() -> None:
    assert set(features("hello", "code").places) - set(features("hello").places)


def test_the_fit_solves_the_normal_equations() -> None:
    draw = random.Random(3)
    words = ["alpha", "beta", "gamma", "delta"]
    texts = [" ".join(draw.choices(words, k=5)) for _ in range(40)]
    rows, targets = [features(text) for text in texts], [draw.random() for _ in texts]
    line = fit(rows, targets, 20.0, precision=1e-8)
    residuals = [y - line.predict(row) for y, row in zip(targets, rows, strict=True)]
    for place in {place for row in rows for place in row.places}:
        pull = sum(
            residual * dict(zip(row.places, row.values, strict=True)).get(place, 0.0)
            for residual, row in zip(residuals, rows, strict=True)
        )
        assert pull == pytest.approx(20 * line.weights[place], rel=0.1, abs=0.02)


def test_without_a_pattern_the_strongest_ridge_is_chosen() -> None:
    draw = random.Random(5)
    rows = [features(" ".join(draw.choices("abcdefgh", k=6))) for _ in range(120)]
    noise = [draw.choice([0.0, 1.0]) for _ in rows]
    assert fit_chosen(rows, noise).strength > 2.0
    assert fit_chosen(rows[:3], noise[:3]).predict(rows[0]) == pytest.approx(
        sum(noise[:3]) / 3, abs=0.1
    )


def test_gains_are_of_the_dearer_tier_over_the_cheapest() -> None:
    hard, easy = ["prove the theorem of primes"] * 20, ["say the word hello"] * 20
    successes = [{"small": 0.0, "large": 1.0}] * 20 + [{"small": 1.0, "large": 1.0}] * 20
    model = GainModel.fit([features(t) for t in hard + easy], successes, ["small", "large"])
    assert (
        model.gain(features(hard[0]), "large") > 0.6 > 0.4 > model.gain(features(easy[0]), "large")
    )
    assert model.success(features(easy[0]))["small"] > 0.6
    assert model.gain(features(hard[0]), "small") == 0
