"""Whether recipes answer later questions that they should, and none that they should not."""

from dataclasses import replace

import pytest

from capibara6.ace.reuse.filling import Filling
from capibara6.ace.reuse.proofs import proof_in
from capibara6.domain.playbook import Bullet
from support.reuse import filled, recipe
from support.reuse_pairs import (
    ALSO_RIGHT,
    EUROS,
    FLATS,
    HOMES,
    MAY,
    MUST_NOT,
    SEMICOLONS,
    TABLES,
    First,
)


def changes(bullet: Bullet, found: Filling) -> dict[object, object]:
    return {
        bullet.parameters[name]: value
        for name, value in found.values.items()
        if bullet.parameters[name] != value and not name.startswith("SAID_")
    }


@pytest.mark.parametrize(("first", "second", "expected"), MAY)
def test_the_recipe_answers(first: First, second: str, expected: dict[object, object]) -> None:
    bullet = recipe(first)
    found = filled(bullet, second, TABLES[first[0]])
    assert found is not None
    assert changes(bullet, found) == expected
    assert found.same == (not expected)


@pytest.mark.parametrize(("first", "second"), MUST_NOT)
def test_the_recipe_stays_silent(first: First, second: str) -> None:
    assert filled(recipe(first), second, TABLES[first[0]]) is None


def test_no_recipe_answers_the_question_of_another() -> None:
    """All questions of all pairs with all recipes of the same table: right, or silent."""
    recipes = {first[2]: (first, recipe(first)) for first, *_ in [*MAY, *MUST_NOT]}
    right = ALSO_RIGHT | {(first[2], second) for first, second, _ in MAY}
    asked = {second: first for first, second, *_ in [*MAY, *MUST_NOT]}
    wrong = [
        (question, second)
        for question, (first, bullet) in recipes.items()
        for second, other in asked.items()
        if other[0] == first[0] and (question, second) not in right and question != other[2]
        if filled(bullet, second, TABLES[first[0]], other[1])
    ]
    assert wrong == []


BY = MAY[0][0]


def test_other_data_are_answered_where_they_are_alike() -> None:
    bullet = recipe(BY)
    later = replace(HOMES, content=HOMES.content + b"Oslo,North,1,1,1,1,1,2020-01-01,2020,no,E\n")
    found = filled(bullet, "average price by city", later)
    assert found is not None
    assert not found.same
    moved = filled(bullet, "average price by city", FLATS)
    assert moved is not None
    assert moved.values["FILE_1"] == "/home/user/flats.csv"
    for other in (EUROS, SEMICOLONS):  # written otherwise
        assert filled(bullet, "average price by city", other) is None
    assert filled(bullet, "average rooms by city", FLATS) is None  # it has no such column


def test_a_program_that_knows_its_data_stays_with_them() -> None:
    later = replace(HOMES, content=HOMES.content + b"Oslo,North,1,1,1,1,1,2020-01-01,2020,no,E\n")
    for name in ("listed", "foreknown", "knows a city"):
        asked: First = ("homes", "en", "average price in big cities", name, {"value": "price"})
        bullet = recipe(asked)
        assert filled(bullet, asked[2], HOMES) is not None
        assert filled(bullet, asked[2], later) is None
    placed = recipe(("homes", "en", "average price", "by place", {}))
    assert filled(placed, "average price", later) is not None
    assert filled(placed, "average price", FLATS) is None


def test_what_comes_with_a_playbook_of_others_is_read_as_data() -> None:
    bullet = recipe(BY)
    good = bullet.tests[0]
    assert proof_in(bullet) is not None
    for wrong in (
        {},
        {**good, "slots": [1]},
        {**good, "slots": [{**good["slots"][0], "value": None}]},
        {**good, "form": "x y"[0:0] or [3]},
        {**good, "files": [{"name": 3}]},
        {**good, "reach": None},
    ):
        assert proof_in(replace(bullet, tests=(wrong,))) is None
    assert proof_in(replace(bullet, tests=())) is None
