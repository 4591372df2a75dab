"""`capibara6 eval recipes`: questions about tables, labelled with the recipe that answers them."""

import importlib.util
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from capibara6.cli.commands import app
from capibara6.codegen.recipes.choices import CHOOSERS
from capibara6.errors import DataFileError
from capibara6.evaluation.recipe_choices import answered, scores
from capibara6.evaluation.recipe_questions import NONE, Answer, judge, read_recipe_questions

FOLDER = Path(__file__).parents[1] / "data/recipe_choice"
HALVES = ("seen", "unseen")
TABLES = Path(__file__).parents[2] / "bench/recipe_tables.py"
GOOD = {
    "question": "total by city",
    "language": "en",
    "data": "shop.csv",
    "accept": [
        {"recipe": "group", "GROUP_BY": ["city"], "VALUE": "total", "AGGREGATE": {"any": ["sum"]}}
    ],
}


def questions_file(folder: Path, *lines: dict[str, Any]) -> Path:
    (folder / "shop.csv").write_text("city,total,day\nRome,2.5,2024-01-01\nOslo,4,2024-01-02\n")
    path = folder / "questions.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def test_the_tables_are_those_of_the_script() -> None:
    spec = importlib.util.spec_from_file_location("recipe_tables", TABLES)
    assert spec
    assert spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name in script.TABLES:
        assert (FOLDER / name).read_text(encoding="utf-8") == script.contents(name)


def test_the_halves_share_no_table_and_hold_both_languages_evenly() -> None:
    halves = [read_recipe_questions(FOLDER / f"{half}.jsonl") for half in HALVES]
    tables = [{q.data.name for q in half} for half in halves]
    assert not tables[0] & tables[1]
    assert len(tables[0] | tables[1]) >= 6
    assert sum(map(len, halves)) >= 240
    for half in halves:
        counts = Counter(q.language for q in half)
        assert counts["es"] == counts["en"] == len(half) / 2


@pytest.mark.parametrize("half", HALVES)
def test_every_recipe_and_none_is_asked_for(half: str) -> None:
    found = read_recipe_questions(FOLDER / f"{half}.jsonl")
    recipes = {right["recipe"] for question in found for right in question.accepted}
    assert recipes == set(CHOOSERS) - {"visualization"} | {NONE}


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ({"recipe": "group", "GROUP_BY": ["city"], "VALUE": "total", "AGGREGATE": "sum"}, "yyy"),
        ({"recipe": "group", "GROUP_BY": ["city"], "VALUE": "total", "AGGREGATE": "max"}, "yyn"),
        ({"recipe": "group", "GROUP_BY": ["city"], "VALUE": None, "AGGREGATE": "count"}, "ynn"),
        ({"recipe": "group", "GROUP_BY": ["day"], "VALUE": "total", "AGGREGATE": "sum"}, "ynn"),
        ({"recipe": "describe", "COLUMNS": ["total"]}, "nnn"),
        (GOOD["accept"][0] | {"AGGREGATE": "sum", "FILTERS": [["city", "=", "Rome"]]}, "yyn"),  # type: ignore[index]
    ],
)
def test_an_answer_is_right_by_degrees(tmp_path: Path, answer: Answer, verdict: str) -> None:
    (question,) = read_recipe_questions(questions_file(tmp_path, GOOD))
    found = judge(question, answer)
    assert "".join("ny"[right] for right in (found.recipe, found.columns, found.whole)) == verdict


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "../shop.csv"}, "not the name of a file"),
        ({"data": "other.csv"}, "other.csv cannot be read"),
        ({"accept": []}, "'accept' is no list"),
        ({"accept": [{"VALUE": "total"}]}, "names no 'recipe'"),
        ({"accept": [{"recipe": "group", "VALUE": {"any": ["cost"]}}]}, "no column 'cost'"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = questions_file(tmp_path, GOOD, GOOD | change)
    with pytest.raises(DataFileError, match=rf"line 2: .*{message}"):
        read_recipe_questions(path)


async def test_scores_count_by_language(tmp_path: Path) -> None:
    spanish = GOOD | {"language": "es", "accept": [{"recipe": NONE}]}
    questions = read_recipe_questions(questions_file(tmp_path, GOOD, GOOD, spanish))

    async def never(_: object) -> Answer:
        return {"recipe": NONE}

    seen: list[int] = []
    results = await answered(questions, never, lambda done, _: seen.append(done))
    assert seen == [1, 2, 3]
    found = {s.language: (s.questions, s.recipe, s.columns, s.whole) for s in scores("x", results)}
    assert found == {"en": (2, 0, 0, 0), "es": (1, 1, 1, 1), "all": (3, 1, 1, 1)}


def test_the_command_tells_what_the_rules_choose(tmp_path: Path) -> None:
    wrong = GOOD | {"question": "who won the cup?", "accept": [{"recipe": NONE}]}
    path = questions_file(tmp_path, GOOD, wrong)
    document = json.loads(CliRunner().invoke(app, ["eval", "recipes", str(path), "--json"]).stdout)
    assert [(s["policy"], s["language"], s["questions"]) for s in document["scores"]] == [
        ("rules", "en", 2), ("rules", "all", 2),
    ]  # fmt: skip
    assert document["scores"][0]["whole"] >= 1
    told = CliRunner().invoke(app, ["eval", "recipes", str(path), "--wrong"]).stdout
    assert "+ parameters" in told
