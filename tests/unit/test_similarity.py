"""Texts about the same are found, across wordings and languages."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from capibara6.cli.commands import app
from capibara6.evaluation.errors import LabelledError, name_errors, plain_label
from capibara6.language.similarity import SimilarityIndex

CASES = {
    "area": ("Area under a curve of samples", "np.trapezoid(y, x)"),
    "mean": ("Average sales per region from a CSV file", "frame.groupby('region').mean()"),
    "plot": ("Draw a bar chart of the counts of each category", "counts.plot.bar()"),
    "fill": ("Fill missing values with the previous row", "frame.ffill()"),
    "split": ("Train a classifier and print a confusion matrix", "confusion_matrix(y, found)"),
}
QUERIES = {
    "area": ("Compute the area below the curve", "Calcula el área bajo la curva"),
    "mean": ("mean of sales by region", "Media de ventas por región"),
    "plot": ("show how many there are of each category as bars", "gráfico de barras por categoría"),
    "fill": ("impute blanks from the row before", "Rellena los valores que faltan"),
    "split": ("confusion matrix of a model", "Entrena un clasificador con su matriz de confusión"),
}


@pytest.fixture
def index() -> SimilarityIndex[str]:
    found: SimilarityIndex[str] = SimilarityIndex()
    for key, (text, code) in CASES.items():
        found.put(key, f"{text}\n{code}")
    return found


@pytest.mark.parametrize("key", QUERIES)
def test_other_words_and_the_other_language_find_the_case(
    index: SimilarityIndex[str], key: str
) -> None:
    for query in QUERIES[key]:
        assert index.closest(query, 1)[0][0] == key, query


def test_stories_are_found_by_their_numbers_and_everyday_words() -> None:
    index: SimilarityIndex[str] = SimilarityIndex()
    index.put("birds", "A farmer has 12 ducks and sells three of them. How many are left?")
    index.put("books", "A teacher buys 12 books and gives 5 to a girl. How many are left?")
    index.put("paint", "Painting a wall takes 3 hours. How long do 12 walls take?")
    query = "Una granjera tiene doce patos y vende 3. ¿Cuántos le quedan?"
    assert index.closest(query, 1)[0][0] == "birds"
    assert index.closest("Una maestra compra doce libros y da cinco a una niña", 1)[0][0] == "books"
    in_order = "Se tarda 3 horas en algo. ¿Y en 12?"
    assert index.closest(in_order, 1)[0][0] == "paint"


def test_likeness_is_high_for_the_same_and_none_for_nothing(index: SimilarityIndex[str]) -> None:
    text, code = CASES["area"]
    assert index.closest(f"{text}\n{code}", 1)[0][1] > 0.7
    assert index.closest("zzz", 3) == []


def test_what_is_dropped_is_not_found(index: SimilarityIndex[str]) -> None:
    before = index.closest("confusion matrix", 5)
    index.put("new", "confusion matrix")
    assert index.closest("confusion matrix", 1)[0][0] == "new"
    index.drop("new")
    index.drop("never there")
    assert "new" not in index
    assert dict(index.closest("confusion matrix", 5)) == pytest.approx(dict(before))
    index.put("area", "something else")
    assert len(index) == len(CASES)
    assert index.closest("something else", 1)[0][0] == "area"


def evaluated(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(app, ["eval", *arguments])
    assert result.exit_code == status, result.output
    return result.stdout if not status else result.stderr


def test_recall_is_measured_on_a_file(tmp_path: Path) -> None:
    file = tmp_path / "memory.json"
    memory = [{"id": key, "text": text, "code": code} for key, (text, code) in CASES.items()]
    queries = [{"text": text, "relevant": [key]} for key, both in QUERIES.items() for text in both]
    queries.append({"text": "nothing of the kind whatever", "relevant": "area"})
    file.write_text(json.dumps({"memory": memory, "queries": queries}))
    score = json.loads(evaluated("playbook", str(file), "--json"))
    assert score["recall_1"] == score["recall_5"] == pytest.approx(10 / 11)
    assert score["missed"] == [10]
    assert 0 < score["tokens_1"] < score["tokens_5"]
    assert "recall at 5" in evaluated("playbook", str(file))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "'memory' is no list"),
        ("{", "no JSON"),
        ('{"memory": [1], "queries": [2]}', "memory[0] is no object"),
        ('{"memory": [{"id": [], "text": ""}], "queries": [2]}', "neither text nor number"),
        (
            '{"memory": [{"id": 1, "text": "a"}], "queries": [{"text": "b", "relevant": 2}]}',
            "'2' is no id of 'memory'",
        ),
        (
            '{"memory": [{"id": 1, "text": "a"}], "queries": [{"text": "b", "relevant": []}]}',
            "queries[0]: 'relevant' is empty",
        ),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "memory.json"
    file.write_text(content)
    assert said in evaluated("playbook", str(file), status=2)


@pytest.mark.parametrize(
    ("stderr", "label"),
    [
        ("KeyError: 'yeer'", "key_error"),
        ("ModuleNotFoundError: No module named 'torch'", "missing_module"),
        ("NameError: name 'x' is not defined", "NameError"),
        ("ValueError: could not convert string to float: 'a'", "type-mismatch"),
        ("AttributeError: module 'numpy' has no attribute 'float'.", "removed_api"),
        ("ZeroDivisionError: division by zero", "division by zero"),
    ],
)
def test_failures_are_judged_at_the_fineness_of_their_label(stderr: str, label: str) -> None:
    trace = f'Traceback (most recent call last):\n  File "x.py", line 1\n{stderr}\n'
    named = name_errors([LabelledError(trace, "x", label)])[0]
    assert named.right, (named.kind, plain_label(label))
    assert not name_errors([LabelledError(trace, "x", "disk_full")])[0].right


def test_errors_are_measured_on_a_file(tmp_path: Path) -> None:
    file = tmp_path / "errors.jsonl"
    lines = [
        {"stderr": "KeyError: 'a'", "code": "x['a']", "label": "unknown_key"},
        {"stderr": "KeyError: 'a'", "code": "x['a']", "label": "timeout"},
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    score = json.loads(evaluated("errors", str(file), "--json"))
    assert score["accuracy"] == 0.5
    assert score["wrong"] == [{"label": "timeout", "found": "unknown_key", "count": 1}]
    assert "1 x timeout taken for unknown_key" in evaluated("errors", str(file))
