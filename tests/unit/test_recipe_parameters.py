"""Parameters read from questions, over three real or realistic tables."""

import pytest

from capibara6.codegen.profiling import profile_file
from capibara6.codegen.recipes import phrases
from capibara6.codegen.recipes.conditions import conditions
from capibara6.codegen.recipes.writer import choose
from capibara6.domain.requests import DataFile, Request, Route
from capibara6.errors import NoRecipeError
from messy_tables import EXAMPLES, sensors, strikes, ventas

FILES = {
    "strikes": profile_file("birdstrikes.csv", strikes().content),
    "ventas": profile_file("ventas.csv", ventas().content),
    "sensors": profile_file("sensors.jsonl", sensors().content),
    "paises": profile_file("paises.csv", (EXAMPLES / "paises" / "paises.csv").read_bytes()),
}


def request(question: str, *names: str) -> Request:
    return Request("0" * 32, question, tuple(FILES[name] for name in names))


def route(task: str, language: str = "en") -> Route:
    return Route(task, "data_analysis", "recipe", language, 1.0)


@pytest.mark.parametrize(
    ("table", "task", "question", "recipe", "expected"),
    [
        ("strikes", "group", "What are the 5 states with the highest total cost?", "group",
         {"GROUP_BY": ["Origin State"], "VALUE": "Cost Total $", "AGGREGATE": "sum", "TOP": 5}),
        ("strikes", "group", "¿Cuáles son los 5 estados con mayor coste total?", "group",
         {"GROUP_BY": ["Origin State"], "VALUE": "Cost Total $", "AGGREGATE": "sum", "TOP": 5}),
        ("strikes", "group", "Los diez aeropuertos con menos choques", "group",
         {"GROUP_BY": ["Airport Name"], "VALUE": None, "TOP": 10, "ASCENDING": True}),
        ("paises", "group", "¿Cuál es la esperanza de vida media por región?", "group",
         {"GROUP_BY": ["Región"], "VALUE": "Esperanza de vida", "AGGREGATE": "mean"}),
        ("ventas", "group", "importe medio por artículo y región", "group",
         {"GROUP_BY": ["artículo", "región"], "VALUE": "importe", "AGGREGATE": "mean"}),
        ("paises", "group", "población total por año", "group",
         {"GROUP_BY": ["Año"], "VALUE": "Población", "AGGREGATE": "sum"}),
        ("strikes", "group", "number of strikes per year", "time_series",
         {"DATE": "Flight Date", "VALUE": None, "FREQUENCY": "Y"}),
        ("ventas", "describe", "¿Cuántos artículos distintos hay?", "describe",
         {"COLUMNS": ["artículo"], "STATISTIC": "nunique"}),
        ("strikes", "describe", "what is the highest speed", "describe",
         {"COLUMNS": ["Speed IAS in knots"], "STATISTIC": "max"}),
        ("paises", "correlate", "how does fertility relate to life expectancy", "correlate",
         {"COLUMNS": ["Hijos por mujer", "Esperanza de vida"]}),
        ("paises", "correlate", "what correlates with life expectancy", "correlate",
         {"COLUMNS": [], "TARGET": "Esperanza de vida"}),
        ("strikes", "correlate", "does the phase of flight affect the speed", "compare",
         {"VALUE": "Speed IAS in knots", "GROUP": "Phase of flight"}),
        ("strikes", "compare", "¿Es distinta la velocidad de día y de noche?", "compare",
         {"VALUE": "Speed IAS in knots", "GROUP": "Time of day", "LEVELS": ["Day", "Night"]}),
        ("ventas", "time_series", "Pronostica el importe de los próximos tres meses", "time_series",
         {"DATE": "fecha", "VALUE": "importe", "AGGREGATE": "sum", "FREQUENCY": "M", "FORECAST": 3}),
        ("paises", "time_series", "evolución de la población", "time_series",
         {"DATE": "Año", "VALUE": "Población", "FREQUENCY": None}),
        ("strikes", "regression", "predict the total cost from speed and wildlife size", "regression",
         {"TARGET": "Cost Total $", "FEATURES": ["Speed IAS in knots", "Wildlife Size"]}),
        ("strikes", "regression", "predict the wildlife size", "classification",
         {"TARGET": "Wildlife Size", "FEATURES": []}),
        ("ventas", "classification", "clasifica el precio", "regression", {"TARGET": "precio"}),
        ("paises", "clustering", "Agrupa los países en cuatro grupos", "clustering",
         {"CLUSTERS": 4, "LABEL": "País"}),
        ("sensors", "visualization", "scatter plot of temperature against humidity", "correlate",
         {"COLUMNS": ["Temperature", "Humidity"]}),
        ("sensors", "visualization", "box plot of temperature per room", "compare",
         {"VALUE": "Temperature", "GROUP": "Room"}),
        ("sensors", "visualization", "histograma de la humedad", "distribution", {}),
        ("ventas", "visualization", "gráfico de barras del importe por región", "group",
         {"GROUP_BY": ["región"], "VALUE": "importe"}),
    ],
)  # fmt: skip
def test_question_sets_the_parameters(
    table: str, task: str, question: str, recipe: str, expected: dict[str, object]
) -> None:
    _, choice = choose(request(question, table), route(task))
    assert choice.recipe == recipe
    assert {name: choice.parameters[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("table", "question", "expected"),
    [
        ("strikes", "average speed in Texas", [("Origin State", "=", "Texas")]),
        ("strikes", "choques en Texas y California", [("Origin State", "in", ["Texas", "California"])]),
        ("strikes", "average cost at night since 1995",
         [("Time of day", "=", "Night"), ("Flight Date", ">=", 1995)]),
        ("strikes", "strikes between 1992 and 1994",
         [("Flight Date", ">=", 1992), ("Flight Date", "<=", 1994)]),
        ("strikes", "strikes with speed over 200", [("Speed IAS in knots", ">", 200.0)]),
        ("ventas", "ventas con precio menor que 12,5", [("precio", "<", 12.5)]),
        ("ventas", "estructura de este fichero", []),
        ("strikes", "average cost per day", []),
        ("paises", "esperanza de vida en España en 1990", [("País", "=", "España"), ("Año", "=", 1990)]),
    ],
)  # fmt: skip
def test_conditions(table: str, question: str, expected: list[object]) -> None:
    asked, _ = choose(request(question, table), route("profile"))
    assert conditions(asked) == expected


@pytest.mark.parametrize(
    ("text", "number"),
    [("top 5 states", 5), ("los 10 mejores", 10), ("the three best directors", 3),
     ("mejores 7 clientes", 7), ("primeros veinte", 20), ("ventas por region", None),
     ("los proximos 6 meses", None)],
)  # fmt: skip
def test_top(text: str, number: int | None) -> None:
    assert phrases.top(text) == number


@pytest.mark.parametrize(
    ("text", "count"),
    [("3 clusters", 3), ("k=5", 5), ("cuatro grupos", 4), ("4 clusteres", 4), ("1 grupo", None),
     ("500 clusters", None), ("clusters", None)],
)  # fmt: skip
def test_clusters(text: str, count: int | None) -> None:
    assert phrases.clusters(text) == count


def test_ambiguous_words_take_the_whole_and_name_the_others() -> None:
    asked, choice = choose(request("outliers of the cost", "strikes"), route("outliers"))
    assert choice.parameters["COLUMNS"] == ["Cost Total $"]
    assert asked.alternatives(choice.parameters) == ["Cost Other", "Cost Repair"]


def test_the_file_that_the_question_is_about_is_chosen() -> None:
    asked, _ = choose(
        request("media de la esperanza de vida", "strikes", "paises"), route("describe")
    )
    assert asked.file.name == "paises.csv"
    asked, _ = choose(request("resumen de birdstrikes", "paises", "strikes"), route("profile"))
    assert asked.file.name == "birdstrikes.csv"


def test_measurements_make_no_groups() -> None:
    with pytest.raises(NoRecipeError, match="Columns that could serve: Room, Comment"):
        choose(request("average humidity by temperature", "sensors"), route("group"))


@pytest.mark.parametrize("language", ["es", "en"])
def test_what_no_recipe_answers_is_said_in_the_language(language: str) -> None:
    spanish = language == "es"
    with pytest.raises(NoRecipeError, match="recetas solo" if spanish else "recipes only"):
        choose(request("hola"), route("conversation", language))
    with pytest.raises(NoRecipeError, match="necesita una tabla" if spanish else "needs a table"):
        choose(request("media"), route("describe", language))
    with pytest.raises(NoRecipeError, match="Nombre una" if spanish else "Name one"):
        choose(request("?", "sensors"), route("regression", language))
    excel = Request("0" * 32, "media por grupo", (DataFile("t.xlsx", b"PK\3\4"),))
    with pytest.raises(NoRecipeError, match="dentro del sandbox" if spanish else "inside the"):
        choose(excel, route("group", language))
