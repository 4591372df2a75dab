"""The router's rules, measured on the labelled questions and tried on its promises."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara6.domain.requests import Column, DataFile, Request
from capibara6.domain.tasks import TASKS
from capibara6.errors import UnknownTierError
from capibara6.language.detection import detect_language
from capibara6.routing import RuleRouter

TIERS = ("recipe", "fast_response", "balanced", "complex")
PRESETS = {"data_analysis", "visualization", "machine_learning", "quick_script", "default"}


def table(name: str, **kinds: str) -> DataFile:
    columns = [Column(column.replace("__", " "), kind, 9) for column, kind in kinds.items()]
    return DataFile(f"{name}.csv", b"-", tuple(columns))


TABLES = {
    "films": table(
        "films", Title="text", US__Gross="number", Worldwide__Gross="number",
        Production__Budget="number", Release__Date="date", MPAA__Rating="text",
        Running__Time__min="number", Major__Genre="text", Director="text", IMDB__Rating="number",
    ),
    "strikes": table(
        "birdstrikes", Airport__Name="text", Effect__Amount__of__damage="text",
        Flight__Date="date", Aircraft__Airline__Operator="text", Origin__State="text",
        Phase__of__flight="text", Wildlife__Size="text", Wildlife__Species="text",
        Time__of__day="text", Cost__Other="number", Cost__Repair="number",
        Cost__Total="number", Speed__IAS__in__knots="number",
    ),
    "sales": table(
        "ventas", fecha="date", producto="text", región="text", ventas="number",
        precio="number", cantidad="number", cliente_id="text", segmento="text",
    ),
    "countries": table(
        "paises", País="text", Región="text", Año="number", Población="number",
        Esperanza__de__vida="number", Hijos__por__mujer="number",
    ),
}  # fmt: skip


class Labelled(NamedTuple):
    split: str
    language: str
    task: str
    table: str
    question: str

    def request(self) -> Request:
        files = (TABLES[self.table],) if self.table in TABLES else ()
        return Request("0" * 32, self.question, files)


def labelled() -> list[Labelled]:
    path = Path(__file__).parent.parent / "data" / "routing_questions.tsv"
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Labelled(*line.split("\t")) for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("split", ["dev", "held"])
@pytest.mark.parametrize("language", ["en", "es"])
def test_tasks_and_languages_of_labelled_questions(split: str, language: str) -> None:
    questions = [q for q in labelled() if (q.split, q.language) == (split, language)]
    routes = {q: RuleRouter().route(q.request(), TIERS) for q in questions}
    wrong = [(q.question, r.task) for q, r in routes.items() if r.task not in q.task.split("|")]
    assert len(questions) == 40
    assert len(wrong) <= 4, wrong
    assert all(route.language == language for route in routes.values())


def route(question: str, *names: str, tiers: tuple[str, ...] = TIERS, **choices: str):
    files = tuple(TABLES[name] for name in names)
    return RuleRouter().route(Request("0" * 32, question, files, **choices), tiers)


@pytest.mark.parametrize(
    ("question", "names", "task"),
    [
        ("Agrupa las películas en 4 grupos según presupuesto y nota", ["films"], "clustering"),
        ("Split the customers into three segments", ["sales"], "clustering"),
        ("ventas por producto", ["sales"], "group"),
        ("", ["films"], "profile"),
        ("", [], "conversation"),
        ("Print the first ten even numbers", [], "code"),
        ("Imprime los primeros diez números pares", [], "code"),
        ("Generate a poem about numbers", [], "conversation"),
    ],
)
def test_tasks_beyond_the_labelled_ones(question: str, names: list[str], task: str) -> None:
    assert route(question, *names).task == task


def test_reasons_speak_the_language_of_the_question() -> None:
    reasons = " | ".join(route("¿Cuánto se vendió por región?", "sales").reasons)
    assert "tarea group: " in reasons
    assert "columnas nombradas: " in reasons
    assert "plantilla data_analysis" in reasons
    assert "nivel recipe: " in reasons


def test_reasons_name_the_evidence() -> None:
    reasons = " | ".join(route("Total sales per region", "sales").reasons)
    assert "ventas (number)" in reasons
    assert "región (text)" in reasons
    assert "task group: " in reasons
    assert "tier recipe: " in reasons
    assert "template data_analysis" in reasons


@pytest.mark.parametrize(
    ("question", "names", "tier"),
    [
        ("Total sales per region", ["sales"], "recipe"),
        ("¿Cuál es el presupuesto medio?", ["films"], "recipe"),
        ("Hello", [], "fast_response"),
        ("Write a function that checks whether a number is prime", [], "fast_response"),
        ("Merge several tables, then explain why sales fell", ["sales"], "complex"),
        ("Optimiza los hiperparámetros de una red neuronal", ["films"], "complex"),
    ],
)
def test_the_cheapest_promising_tier_is_chosen(question: str, names: list[str], tier: str) -> None:
    assert route(question, *names).tier == tier


def test_without_models_the_recipes_answer() -> None:
    assert route("Hello", tiers=("recipe",)).tier == "recipe"


def test_without_recipes_models_answer() -> None:
    assert (
        route("Total sales per region", "sales", tiers=("fast_response",)).tier == "fast_response"
    )


def test_the_users_choices_are_kept() -> None:
    chosen = route("Total sales per region", "sales", tier="complex", template="visualization")
    assert (chosen.tier, chosen.template) == ("complex", "visualization")


@pytest.mark.parametrize(("tier", "tiers"), [("huge", TIERS), (None, ())])
def test_unknown_tiers_are_refused(tier: str | None, tiers: tuple[str, ...]) -> None:
    with pytest.raises(UnknownTierError):
        RuleRouter().route(Request("0" * 32, "Hello", tier=tier), tiers)


@pytest.mark.parametrize(
    ("question", "names", "template"),
    [
        ("Plot budget against gross", ["films"], "visualization"),
        ("Predict the worldwide gross", ["films"], "machine_learning"),
        ("average gross by genre", ["films"], "data_analysis"),
        ("Calcula los 20 primeros números de Fibonacci", [], "quick_script"),
        ("average of the numbers 1 to 10", [], "quick_script"),
    ],
)
def test_templates_follow_the_task(question: str, names: list[str], template: str) -> None:
    assert route(question, *names).template == template


@given(st.text(max_size=200), st.booleans())
def test_every_question_gets_a_route(question: str, with_data: bool) -> None:
    found = route(question, *(["films"] if with_data else []))
    assert found.task in TASKS
    assert found.template in PRESETS
    assert found.tier in TIERS
    assert found.language in ("es", "en")
    assert 0 <= found.confidence <= 1
    assert found == route(question, *(["films"] if with_data else []))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("media de Worldwide Gross por Director", "es"),
        ("average of esperanza de vida by region", "en"),
        ("Top 10 Director", "en"),
        ("ventas totales", "es"),
        ("total sales", "en"),
        ("hola", "es"),
        ("hi", "en"),
        ("limpia sales.csv", "es"),
        ("clean ventas.csv", "en"),
        ("gráfico budget vs gross", "es"),
    ],
)
def test_language_of_short_and_mixed_questions(text: str, language: str) -> None:
    assert detect_language(text) == language


def test_labels_cover_both_languages_and_all_tasks_alike() -> None:
    tasks = Counter((q.language, q.task) for q in labelled())
    assert {task for _, task in tasks} == set(TASKS)
    assert all(tasks["en", task] == tasks["es", task] for task in TASKS)
