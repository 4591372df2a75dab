"""Every recipe, run for real over three messy files in both languages, against facts computed here.

Needs the sandbox's Python with its scientific stack: TEMPLATE_PYTHON.
"""

import asyncio
import csv
import json
import os
import re
import statistics
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from capibara6.codegen.profiling import profile_file
from capibara6.codegen.recipes import RecipeWriter
from capibara6.domain.programs import Program
from capibara6.domain.requests import Request
from capibara6.routing import RuleRouter
from messy_tables import MessyTable, sensors, strikes, ventas

PYTHON = os.environ.get("TEMPLATE_PYTHON", "")
RUNNER = Path(__file__).parent.parent / "recipe_runner.py"
TABLES = {"strikes": strikes, "ventas": ventas, "sensors": sensors}

pytestmark = [
    pytest.mark.needs("template python"),
    pytest.mark.skipif(not PYTHON, reason="needs TEMPLATE_PYTHON, which make test sets"),
]


@dataclass
class Outcome:
    table: MessyTable
    language: str
    program: Program
    folder: Path
    stdout: str
    tables: list[dict]
    figures: list
    error: dict | None

    def frame(self, index: int = 0) -> list[list]:
        return self.tables[index]["data"]

    def numbers(self, pattern: str) -> list[float]:
        """Numbers of the line that the pattern finds, read in the answer's language."""
        found = re.search(pattern, self.stdout)
        assert found, f"{pattern!r} not in:\n{self.stdout}"
        return [self.read(group) for group in found.groups()]

    def read(self, written: str) -> float:
        swapped = written.translate(str.maketrans(".,", ",.")) if self.language == "es" else written
        return float(swapped.replace(",", ""))

    def present(self, *names: str) -> list[dict]:
        return [r for r in self.table.rows if all(r[name] is not None for name in names)]


class Runner:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [PYTHON, "-W", "error::FutureWarning", str(RUNNER)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, program: Path, folder: Path) -> None:
        self.process.stdin.write(f"{program}\t{folder}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.close()


def ask(runner: Runner, folder: Path, table: MessyTable, question: str, task: str = "") -> Outcome:
    request = Request("0" * 32, question, (profile_file(table.name, table.content),))
    route = RuleRouter().route(request, ["recipe"])
    assert not task or route.task == task, route

    async def write() -> list:
        return [item async for item in RecipeWriter().write(request, route)]

    *texts, program = asyncio.run(write())
    assert "".join(texts).startswith(("No model was used", "No se usó ningún modelo"))
    (folder / table.name).write_bytes(table.content)
    path = folder / "program.py"
    path.write_text(program.code, encoding="utf-8")
    runner.run(path, folder)
    shown = json.loads((folder / "shown.json").read_text())
    return Outcome(
        table, route.language, program, folder, (folder / "stdout.txt").read_text(),
        shown["tables"], shown["figures"], shown["error"],
    )  # fmt: skip


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def check_profile(o: Outcome) -> None:
    missing = {n: sum(r[n] is None for r in o.table.rows) for n in o.table.rows[0]}
    assert {row[0]: row[2] for row in o.frame()} == missing
    distinct = {n: len({r[n] for r in o.present(n)}) for n in (o.table.number, o.table.day)}
    assert {row[0]: row[4] for row in o.frame() if row[0] in distinct} == distinct
    assert o.numbers(r"(?:has|tiene) ([\d.,]+) (?:rows|filas)") == [len(o.table.rows)]


def check_clean(o: Outcome) -> None:
    [written] = [p for p in o.folder.glob("*.csv") if p.name != o.table.name]
    cleaned = read_csv(written)
    assert len(cleaned) == len({tuple(r.values()) for r in o.table.rows})
    total = sum(float(r[o.table.amount]) for r in cleaned)
    unique = {tuple(r.values()): r for r in o.table.rows}.values()
    assert total == pytest.approx(sum(r[o.table.amount] for r in unique))
    assert {r[o.table.classes] for r in cleaned} == {r[o.table.classes] for r in o.table.rows}
    assert {r[o.table.day] for r in cleaned} == {str(r[o.table.day]) for r in o.table.rows}


def check_describe(o: Outcome) -> None:
    values = [r[o.table.number] for r in o.present(o.table.number)]
    [mean] = o.numbers(rf"{re.escape(o.table.number)}(?: is|:) ([\d.,]*\d)")
    assert mean == pytest.approx(statistics.fmean(values), abs=0.006)
    used = o.numbers(r"(?:Rows used|Filas usadas): ([\d.,]*\d) (?:of|de) ([\d.,]*\d)")
    assert used == [len(values), len(o.table.rows)]


def check_group(o: Outcome) -> None:
    sums: dict[object, float] = defaultdict(float)
    for row in o.present(o.table.category, o.table.amount):
        sums[row[o.table.category]] += row[o.table.amount]
    expected = sorted(sums.items(), key=lambda item: -item[1])[:10]
    assert [row[0] for row in o.frame()] == [name for name, _ in expected]
    assert [row[1] for row in o.frame()] == pytest.approx([value for _, value in expected])
    assert o.stdout.index(str(expected[0][0])) < o.stdout.index(str(expected[-1][0]))


def check_correlate(o: Outcome) -> None:
    names = (o.table.number, o.table.amount)
    both = o.present(*names)
    r = statistics.correlation(*([row[name] for row in both] for name in names))
    [[_, _, n, pearson, _, _]] = o.frame()
    assert n == len(both)
    assert pearson == pytest.approx(r)


def check_distribution(o: Outcome) -> None:
    values = [r[o.table.number] for r in o.present(o.table.number)]
    quartiles = statistics.quantiles(values, n=4, method="inclusive")
    found = {row[0]: row[1] for row in o.frame()}
    assert [found["25%"], found["50%"], found["75%"]] == pytest.approx(quartiles)
    assert [found["0%"], found["100%"]] == [min(values), max(values)]


def check_time_series(o: Outcome) -> None:
    months: dict[str, list[float]] = defaultdict(list)
    for row in o.present(o.table.number, o.table.day):
        months[f"{row[o.table.day]:%Y-%m}"].append(row[o.table.number])
    expected = {month: statistics.fmean(values) for month, values in months.items()}
    assert dict(o.frame()) == pytest.approx(expected)
    highest = max(expected, key=expected.get)
    assert re.search(rf"(?:Highest|Máximo): [\d.,]+ (?:in|en) {highest}", o.stdout)


def check_compare(o: Outcome) -> None:
    means = {}
    for level in o.table.levels:
        rows = o.present(o.table.number, o.table.category)
        values = [r[o.table.number] for r in rows if r[o.table.category] == level]
        means[level] = (len(values), statistics.fmean(values))
    assert {row[0]: (row[1], row[2]) for row in o.frame()} == {
        level: (n, pytest.approx(mean)) for level, (n, mean) in means.items()
    }


def check_outliers(o: Outcome) -> None:
    values = [r[o.table.amount] for r in o.present(o.table.amount)]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    judged = values
    if low == high:
        judged = [v for v in values if v != statistics.mode(values)]
        low, _, high = statistics.quantiles(judged, n=4, method="inclusive")
    reach = 1.5 * (high - low)
    expected = sum(v < low - reach or v > high + reach for v in judged)
    assert expected > 0
    assert o.frame(-1)[0][:3] == [o.table.amount, len(values), expected]


def check_regression(o: Outcome) -> None:
    values = [r[o.table.number] for r in o.present(o.table.number)]
    learn, held = o.numbers(
        r"([\d.,]+) (?:rows to learn|filas para aprender).*?([\d.,]+) (?:held|apartadas)"
    )
    assert learn + held == len(values)
    baseline, *models = o.frame()
    spread = statistics.fmean(abs(v - statistics.median(values)) for v in values)
    assert baseline[2] == pytest.approx(spread, rel=0.2)
    if o.table.name == "sensors.jsonl":
        assert min(model[2] for model in models) < 0.7 * baseline[2]
    assert next(o.folder.glob("*.joblib")).stat().st_size > 0


def check_classification(o: Outcome) -> None:
    sizes = Counter(r[o.table.classes] for r in o.present(o.table.classes))
    kept = {name: size for name, size in sizes.items() if size >= 10}
    [classes] = o.numbers(r"\((\d+) (?:classes|clases)\)")
    assert classes == len(kept)
    baseline, *models = o.frame()
    assert baseline[3] == pytest.approx(max(kept.values()) / sum(kept.values()), abs=0.01)
    assert baseline[2] == pytest.approx(1 / len(kept))
    if o.table.name != "birdstrikes.csv":
        assert max(model[3] for model in models) > 0.85
    assert next(o.folder.glob("*.joblib")).stat().st_size > 0


def check_clustering(o: Outcome) -> None:
    used = o.present(o.table.number, o.table.amount)
    groups = o.frame()
    assert len(groups) == 3
    assert sum(row[1] for row in groups) == len(used)
    for position, name in ((2, o.table.number), (3, o.table.amount)):
        weighted = sum(row[1] * row[position] for row in groups) / len(used)
        assert weighted == pytest.approx(statistics.fmean(r[name] for r in used))
    [written] = list(o.folder.glob("*_*.csv"))
    labels = Counter(list(row.values())[-1] for row in read_csv(written))
    assert sorted(labels.values()) == sorted(row[1] for row in groups)


QUESTIONS: dict[str, tuple[str, str, Callable[[Outcome], None]]] = {
    "profile": ("Give me an overview of the data", "Dame un resumen general de los datos", check_profile),
    "clean": ("Clean the data please", "Limpia los datos, por favor", check_clean),
    "describe": ("What is the average {number}?", "¿Cuál es la media de {number}?", check_describe),
    "group": ("What is the total {amount} by {category}?", "¿Cuál es la suma de {amount} por {category}?", check_group),
    "correlate": ("Is there a relationship between {number} and {amount}?", "¿Hay relación entre {number} y {amount}?", check_correlate),
    "distribution": ("What is the distribution of {number}?", "¿Qué distribución tiene {number}?", check_distribution),
    "time_series": ("Show the monthly trend of the average {number}", "Muestra la tendencia mensual de la media de {number}", check_time_series),
    "compare": ("Compare {number} between {a} and {b}", "Compara {number} entre {a} y {b}", check_compare),
    "outliers": ("Find the outliers in {amount}", "Busca los valores atípicos de {amount}", check_outliers),
    "regression": ("Fit a regression that predicts {number}", "Ajusta una regresión que prediga {number}", check_regression),
    "classification": ("Train a classifier of {classes}", "Entrena un clasificador de {classes}", check_classification),
    "clustering": ("Make 3 clusters with {number} and {amount}", "Haz 3 grupos con k-medias según {number} y {amount}", check_clustering),
}  # fmt: skip


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("task", QUESTIONS)
def test_recipe_tells_the_facts(
    runner: Runner, tmp_path: Path, task: str, name: str, language: str
) -> None:
    english, spanish, check = QUESTIONS[task]
    table = TABLES[name]()
    question = (english if language == "en" else spanish).format(
        number=table.number, amount=table.amount, category=table.category,
        classes=table.classes, a=table.levels[0], b=table.levels[1],
    )  # fmt: skip
    outcome = ask(runner, tmp_path, table, question, task)
    assert outcome.error is None, (tmp_path / "stderr.txt").read_text()
    assert outcome.language == language
    assert outcome.program.origin == f"recipe:{task}"
    assert all(label for figure in outcome.figures for axis in figure for label in axis)
    assert outcome.figures or task in ("clean", "profile")
    assert outcome.tables
    check(outcome)


def test_conditions_restrict_the_rows(runner: Runner, tmp_path: Path) -> None:
    outcome = ask(runner, tmp_path, strikes(), "How many strikes were there in Texas since 1995?")
    expected = sum(
        r["Origin State"] == "Texas" and r["Flight Date"].year >= 1995 for r in strikes().rows
    )
    assert outcome.numbers(r"There are ([\d,]+) rows") == [expected]


def test_forecast_is_tried_on_known_points(runner: Runner, tmp_path: Path) -> None:
    outcome = ask(
        runner, tmp_path, strikes(), "Pronostica el número de choques de los próximos 6 meses"
    )
    assert outcome.error is None
    assert "Pronóstico probado en los últimos 6 puntos" in outcome.stdout
    assert [row[0] for row in outcome.frame(1)] == [
        "2002-07", "2002-08", "2002-09", "2002-10", "2002-11", "2002-12",
    ]  # fmt: skip


def test_nothing_left_after_a_condition_is_said(runner: Runner, tmp_path: Path) -> None:
    outcome = ask(runner, tmp_path, strikes(), "Distribution of the speed since 2030")
    assert outcome.error
    assert outcome.error["name"] == "ValueError"
    assert "No row meets the conditions" in outcome.error["value"]


def test_the_word_none_is_a_value(runner: Runner, tmp_path: Path) -> None:
    outcome = ask(runner, tmp_path, strikes(), "¿Cuántos choques hubo por tipo de daño?", "group")
    assert ["None", 8939] in outcome.frame()


def test_spellings_of_a_group_are_one(runner: Runner, tmp_path: Path) -> None:
    outcome = ask(runner, tmp_path, ventas(), "suma de cantidad por artículo", "group")
    sums: dict[object, float] = defaultdict(float)
    for row in ventas().rows:
        sums[row["artículo"]] += row["cantidad"]
    assert {row[0]: row[1] for row in outcome.frame()} == sums
