"""A model that chooses recipes: what it is asked, what it means, and whether it is asked."""

import ast
import json
import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from capibara6.codegen.choosing.measurements import (
    BOTH,
    MODEL,
    RULES,
    Compared,
    Measurement,
    MeasurementFile,
    key_of,
    rules_digest,
)
from capibara6.codegen.choosing.picking import UnusableChoiceError, picked
from capibara6.codegen.choosing.policies import ModelAdviser, best_adviser
from capibara6.codegen.choosing.prompt import choice_messages
from capibara6.codegen.choosing.schema import NONE, choice_schema
from capibara6.codegen.profiling import profile_file
from capibara6.codegen.recipes import RecipeWriter
from capibara6.codegen.recipes.asked import Asked, read_question
from capibara6.codegen.recipes.choice import Choice, Picked
from capibara6.codegen.recipes.choices import CHOOSERS
from capibara6.codegen.tiers import ModelTier
from capibara6.domain.programs import Program
from capibara6.domain.requests import Column, DataFile, Request, Route
from capibara6.errors import NoRecipeError
from capibara6.routing import RuleRouter

FOLDER = Path(__file__).parents[1] / "data/recipe_choice"
EMPLOYEES = profile_file("employees.csv", (FOLDER / "employees.csv").read_bytes())
TIER = ModelTier("fast_response", "http://127.0.0.1:9/v1", "tiny")
ANSWERS: dict[str, dict[str, Any]] = {
    "profile": {},
    "clean": {},
    "describe": {"COLUMNS": ["salary"], "STATISTIC": "mean"},
    "group": {
        "GROUP_BY": ["department"],
        "VALUE": "salary",
        "AGGREGATE": "mean",
        "TOP": 3,
        "ASCENDING": False,
    },
    "correlate": {"COLUMNS": ["age", "salary"], "TARGET": None},
    "distribution": {"COLUMN": "age"},
    "time_series": {
        "DATE": "hire_date",
        "VALUE": None,
        "AGGREGATE": "sum",
        "FREQUENCY": "Y",
        "FORECAST": 0,
    },
    "compare": {"VALUE": "salary", "GROUP": "gender"},
    "outliers": {"COLUMNS": ["salary"]},
    "regression": {"TARGET": "salary", "FEATURES": ["age"]},
    "classification": {"TARGET": "left_company", "FEATURES": ["age", "salary"]},
    "clustering": {"FEATURES": [], "CLUSTERS": 4},
}


def request(question: str = "anything at all", data: DataFile = EMPLOYEES) -> Request:
    return Request("0" * 32, question, (data,))


def asked(question: str = "anything at all") -> Asked:
    found = read_question(request(question), "en")
    assert found
    return found


def answer(recipe: str, **values: object) -> str:
    return json.dumps({"choice": {"recipe": recipe, **ANSWERS.get(recipe, {}), **values}})


def options(columns: tuple[Column, ...]) -> dict[str, dict[str, Any]]:
    found = choice_schema(columns)["properties"]["choice"]["anyOf"]
    return {option["properties"]["recipe"]["enum"][0]: option["properties"] for option in found}


def test_the_schema_names_the_columns_of_the_data_by_their_kinds() -> None:
    found = options(EMPLOYEES.columns)
    assert set(found) == set(ANSWERS) | {NONE}
    assert set(ANSWERS) == set(CHOOSERS) - {"visualization"}
    assert "salary" in found["group"]["VALUE"]["enum"]
    assert "department" not in found["group"]["VALUE"]["enum"]
    assert "employee_id" not in found["group"]["VALUE"]["enum"]
    assert found["time_series"]["DATE"]["enum"] == ["hire_date"]
    assert {"gender", "remote"} <= set(found["compare"]["GROUP"]["enum"])


def test_recipes_that_the_columns_do_not_allow_are_left_out() -> None:
    found = options((Column("city", "text", 4), Column("nothing", "empty", 0)))
    assert {"profile", "clean", "group", "describe", NONE} <= set(found)
    assert not {"correlate", "regression", "time_series", "compare", "clustering"} & set(found)
    assert set(options(())) == {"profile", "clean", NONE}


def test_every_property_is_required_and_none_else_allowed() -> None:
    for option in choice_schema(EMPLOYEES.columns)["properties"]["choice"]["anyOf"]:
        assert option["required"] == list(option["properties"])
        assert option["additionalProperties"] is False


def test_a_wide_table_keeps_schema_and_prompt_small() -> None:
    columns = tuple(Column(f"a\nname {n} " + "x" * 500, "number", 9) for n in range(2000))
    _, user = choice_messages("long " * 5000, columns)
    assert len(user["content"]) < 10_000
    assert user["content"].count("\n") == 1
    assert len(json.dumps(choice_schema(columns))) < 500_000


class Scripted:
    """Stands for ModelChooser: answers with a text, or fails."""

    model = "tiny"

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.questions: list[str] = []

    async def pick(self, asked: Asked) -> Picked:
        self.questions.append(asked.question)
        if not self.text:
            raise UnusableChoiceError("it sleeps")
        return Picked(picked(self.text, asked), self.model, 90, 20, 0.0)


def adviser(chooser: Scripted, policy: str, measurement: Measurement | None = None) -> ModelAdviser:
    return ModelAdviser(chooser, policy, measurement)  # type: ignore[arg-type]


def route(confidence: float, task: str = "describe", language: str = "en") -> Route:
    return Route(task, "data_analysis", "recipe", language, confidence)


@pytest.mark.parametrize("recipe", sorted(ANSWERS))
async def test_every_recipe_can_be_chosen_and_makes_a_program(recipe: str) -> None:
    writer = RecipeWriter(adviser(Scripted(answer(recipe)), MODEL))
    sentence, program = [item async for item in writer.write(request(), route(0.2))]
    assert isinstance(program, Program)
    assert program.origin == f"recipe:{recipe}"
    assert (program.prompt_tokens, program.completion_tokens) == (90, 20)
    assert str(sentence).startswith(f"The model tiny chose: the recipe “{recipe}” answers")
    ast.parse(program.code)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Sure! Use the recipe group.", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ('["group"]', "names no recipe"),
        ('{"choice": {"recipe": "cook"}}', "names no recipe"),
        ('{"choice": {"recipe": ["group"]}}', "names no recipe"),
        (answer("group", GROUP_BY=["planet"]), "GROUP_BY is"),
        (answer("group", GROUP_BY=[]), "GROUP_BY names 0"),
        (answer("group", VALUE="department"), "VALUE is 'department'"),
        (answer("group", AGGREGATE="drop table"), "AGGREGATE is"),
        (answer("distribution", COLUMN=None), "COLUMN is null"),
        (answer("compare", VALUE={"a": 1}), "VALUE is"),
        (answer("describe", COLUMNS=["gender"]), "no mean of words"),
    ],
)
def test_an_answer_that_breaks_the_schema_is_no_choice(text: str, complaint: str) -> None:
    with pytest.raises(UnusableChoiceError, match=complaint):
        picked(text, asked())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (answer("group", VALUE=None), {"VALUE": None, "AGGREGATE": "count"}),
        (answer("group", AGGREGATE="count"), {"VALUE": "salary", "AGGREGATE": "mean"}),
        (answer("group", TOP=10**30), {"TOP": None}),
        (answer("group", TOP=True), {"TOP": None}),
        (answer("correlate", COLUMNS=["age"]), {"COLUMNS": [], "TARGET": "age"}),
        (answer("describe", STATISTIC="count"), {"COLUMNS": [], "STATISTIC": "count"}),
        (answer("time_series", FORECAST=-4), {"FORECAST": 0}),
        (answer("classification", FEATURES=["age", "left_company"]), {"FEATURES": ["age"]}),
        (answer("clustering", CLUSTERS=1), {"CLUSTERS": None}),
    ],
)
def test_parameters_that_contradict_are_put_right(text: str, expected: dict[str, object]) -> None:
    found = picked(text, asked())
    assert found
    assert {key: found.parameters[key] for key in expected} == expected


def test_levels_and_none_are_understood() -> None:
    found = picked(
        answer("compare", GROUP="department"), asked("do Sales and Support differ in pay?")
    )
    assert found
    assert found.parameters["LEVELS"] == ["Sales", "Support"]
    assert picked(answer(NONE), asked()) is None


# -- who chooses ----------------------------------------------------------------------------------


async def chosen(by: ModelAdviser, question: str) -> Choice:
    asking = request(question)
    return (await by.choose(asking, RuleRouter().route(asking, ("recipe",)))).choice


async def test_by_rules_the_model_is_never_asked() -> None:
    model = Scripted(answer("profile"))
    found = await chosen(adviser(model, RULES), "average salary by department")
    assert (found.recipe, model.questions) == ("group", [])


async def test_by_both_the_model_is_asked_only_in_doubt() -> None:
    model = Scripted(answer("outliers"))
    both = adviser(model, BOTH)
    assert (await chosen(both, "average salary by department")).recipe == "group"
    with pytest.raises(NoRecipeError):
        await chosen(both, "write a poem about our department")
    assert model.questions == []
    assert (await chosen(both, "salary, anybody beyond the pale?")).recipe == "outliers"
    assert len(model.questions) == 1


async def test_a_model_that_fails_leaves_the_choice_to_the_rules_and_it_is_said() -> None:
    failing = RecipeWriter(adviser(Scripted(), MODEL))
    asking = request("average salary by department")
    sentence, program = [i async for i in failing.write(asking, route(1.0, "group", "es"))]
    assert isinstance(program, Program)
    assert (program.origin, program.completion_tokens) == ("recipe:group", 0)
    assert "no eligió nada (it sleeps); eligieron las reglas" in str(sentence)


async def test_where_both_find_none_the_refusal_names_the_model() -> None:
    with pytest.raises(NoRecipeError, match="says the model tiny"):
        await adviser(Scripted(answer(NONE)), MODEL).choose(request(), route(0.2))


async def test_without_known_columns_the_rules_choose() -> None:
    model = Scripted(answer("group"))
    excel = DataFile("book.xlsx", b"PK\x03\x04")
    found = await adviser(model, MODEL).choose(request("overview", excel), route(1.0, "profile"))
    assert (found.choice.recipe, model.questions) == ("profile", [])


# -- the gate -------------------------------------------------------------------------------------

GOOD = Compared(right=150, gained=40, lost=10)
MEASURED = Measurement("tiny", rules_digest(), 200, 120, {MODEL: GOOD})


@pytest.mark.parametrize(
    ("gained", "lost", "better"),
    [
        (5, 0, True),
        (4, 0, False),
        (0, 0, False),
        (9, 9, False),
        (3, 30, False),
        (40, 25, True),
        (40, 30, False),
    ],
)
def test_a_policy_is_better_only_beyond_chance(gained: int, lost: int, better: bool) -> None:
    assert Compared(100, gained, lost).is_better is better


@pytest.mark.parametrize(
    ("measurement", "policy"),
    [
        (MEASURED, MODEL),
        (replace(MEASURED, compared={MODEL: GOOD, BOTH: replace(GOOD, right=151)}), BOTH),
        (replace(MEASURED, compared={MODEL: Compared(119, 20, 21)}), RULES),
        (replace(MEASURED, compared={BOTH: Compared(122, 4, 2)}), RULES),
        (replace(MEASURED, compared={}), RULES),
        (replace(MEASURED, rules_digest="of other rules"), RULES),
        (replace(MEASURED, questions=99), RULES),
    ],
)  # fmt: skip
def test_no_model_chooses_that_is_not_surely_better_than_these_rules(
    measurement: Measurement, policy: str
) -> None:
    assert measurement.policy() == policy


def test_measurements_are_kept_by_model_and_place(tmp_path: Path) -> None:
    path = tmp_path / "home" / "choices.json"
    assert best_adviser([TIER], path) is None
    MeasurementFile(path).keep(key_of(TIER), MEASURED)
    moved = replace(TIER, base_url="http://localhost:4321/v1")
    other = replace(TIER, name="balanced", model="other")
    remote = replace(TIER, base_url="https://example.org/v1")
    worse = replace(MEASURED, model="other", compared={MODEL: Compared(90, 1, 31)})
    MeasurementFile(path).keep(key_of(other), worse)
    assert best_adviser([remote], path) is None
    best = best_adviser([other, moved], path)
    assert best
    assert (best.policy, best.chooser.model, best.measurement) == (MODEL, "tiny", MEASURED)
    only = best_adviser([other], path)
    assert only
    assert only.policy == RULES
    assert [p.name for p in path.parent.iterdir()] == ["choices.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tiny at local": {"model": 1}}', "\xff" * 9])
def test_a_broken_file_opens_no_gate(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "choices.json"
    path.write_text(text, encoding="latin-1")
    with caplog.at_level(logging.WARNING):
        assert best_adviser([TIER], path) is None
    assert "rules choose recipes" in caplog.text


async def test_the_reply_says_who_chooses_and_why() -> None:
    closed = replace(MEASURED, compared={MODEL: Compared(60, 5, 65), BOTH: Compared(118, 1, 3)})
    writer = RecipeWriter(adviser(Scripted(answer("profile")), closed.policy(), closed))
    text, _ = [i async for i in writer.write(request("average salary"), route(1.0))]
    assert str(text).startswith("No model was used")
    assert "chosen by rules; measured with tiny: rules 60%, the model 30%" in str(text)


@dataclass
class Routed:
    question: str
    tier: str
    advised: str = field(default="recipe")


@pytest.mark.parametrize(
    "case",
    [
        Routed("average salary by department", "recipe"),
        Routed("salary, anybody beyond the pale?", "fast_response"),
    ],
)
def test_doubtful_questions_go_to_the_recipes_only_with_advice(case: Routed) -> None:
    tiers = ("recipe", "fast_response")
    assert RuleRouter().route(request(case.question), tiers).tier == case.tier
    advised = RuleRouter(doubtful_to_recipes=True).route(request(case.question), tiers)
    assert advised.tier == case.advised
