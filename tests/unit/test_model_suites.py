"""Suites of tasks: what is read, and what is said of a line that is wrong."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from capibara6.errors import DataFileError
from capibara6.evaluation.models.measuring import Wanted, sample_id
from capibara6.evaluation.models.printed import says
from capibara6.evaluation.models.suites import Suite, read_suite

FUNCTION = {
    "task_id": "Own/0",
    "prompt": 'def two():\n    """Two."""\n',
    "entry_point": "two",
    "canonical_solution": "    return 2\n",
    "test": "def check(candidate):\n    assert candidate() == 2\n",
}


def suite_of(folder: Path, *lines: Any, name: str = "own.jsonl") -> Suite:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    content = text.encode()
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return read_suite(folder / name)


@pytest.mark.parametrize("name", ["own.jsonl", "own.jsonl.gz"])
def test_a_function_to_complete(tmp_path: Path, name: str) -> None:
    suite = suite_of(tmp_path, FUNCTION, name=name)
    task = suite.tasks[0]
    assert (suite.name, task.id, task.entry_point) == ("own", "Own/0", "two")
    assert task.reference == 'def two():\n    """Two."""\n    return 2\n'
    assert not task.is_question


def test_a_question_about_data(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    suite = suite_of(tmp_path, {"question": "Sum?", "data": "a.csv", "expected": 1})
    task = suite.tasks[0]
    assert (task.id, task.expected, dict(task.data)) == ("1", "1", {"a.csv": b"x\n1\n"})


def test_another_test_is_another_task(tmp_path: Path) -> None:
    one = suite_of(tmp_path, FUNCTION).tasks[0]
    same = suite_of(tmp_path, FUNCTION | {"canonical_solution": ""}).tasks[0]
    other = suite_of(tmp_path, FUNCTION | {"test": "assert two() == 3"}).tasks[0]
    assert one.digest == same.digest != other.digest


def test_the_same_task_of_two_suites_is_measured_in_each(tmp_path: Path) -> None:
    twice = suite_of(tmp_path, FUNCTION, FUNCTION | {"task_id": "Own/1"})
    wanted = [Wanted(task) for task in twice.tasks]
    ids = {sample_id("0" * 32, suite, one) for suite in ("one", "two") for one in wanted}
    assert len(ids) == 4
    assert sample_id("1" * 32, "one", wanted[0]) not in ids


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2"),
        ("[1]", "no JSON object"),
        ({"prompt": "p"}, "'test'"),
        (FUNCTION | {"test": " "}, "empty"),
        (FUNCTION | {"entry_point": "a b"}, "'entry_point' is 'a b'"),
        (FUNCTION | {"task_id": 1.5}, "'task_id' is 1.5"),
        (FUNCTION, "two tasks have the id 'Own/0'"),
        ({"question": "?"}, "'expected' is None"),
        ({"question": "?", "expected": 1, "data": "none.csv"}, "'none.csv' cannot be read"),
        ({"question": "?", "expected": 1, "data": [3]}, "'data' names 3"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: Any, words: str) -> None:
    with pytest.raises(DataFileError, match=words):
        suite_of(tmp_path, FUNCTION, line)


@pytest.mark.parametrize("content", [b"", b"no gzip", gzip.compress(b"{}" * 100, mtime=0)[:-9]])
def test_a_file_that_is_no_gzip_or_cut(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "own.jsonl.gz").write_bytes(content)
    with pytest.raises(DataFileError):
        read_suite(tmp_path / "own.jsonl.gz")


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("The mean is 12.346.", "12.35"),
        ("Total: 1,234,567 euros", "1234567"),
        ("La media es 12,35", "12.35"),
        ("En total 1.234.567", "1234567"),
        ("It is MADRID, Spain", "madrid"),
        ("-3", "-3"),
        ("1e3", "1000"),
    ],
)
def test_an_answer_that_holds_what_is_expected(printed: str, expected: str) -> None:
    assert says(printed, expected)


@pytest.mark.parametrize(
    ("printed", "expected"),
    [("12.4", "12.35"), ("112", "12"), ("", "0"), ("Madrilejos", "madrid"), ("1.5", "2")],
)
def test_an_answer_that_does_not(printed: str, expected: str) -> None:
    assert not says(printed, expected)
