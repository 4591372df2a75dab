"""`capibara6 eval model`: what is refused before anything is started."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from capibara6.cli.commands import app

SUITE = '{"prompt": "def f(): ...", "test": "assert f() is None"}\n'


def refused(*arguments: str) -> dict[str, str]:
    result = CliRunner().invoke(app, ["eval", "model", *arguments, "--json"])
    assert result.exit_code == 2, result.output
    error: dict[str, str] = json.loads(result.output)["error"]
    return error


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAPIBARA6_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.jsonl").write_text(SUITE)
    return tmp_path / "own.jsonl"


def test_no_model_is_named(suite: Path) -> None:
    assert "--reference" in refused("--suite", str(suite))["message"]


def test_a_broken_line(suite: Path) -> None:
    suite.write_text(SUITE + "{")
    assert "line 2" in refused("small", "--suite", str(suite))["message"]


def test_a_suite_that_is_not_there(suite: Path) -> None:
    error = refused("small", "--suite", str(suite.parent / "none.jsonl"))
    assert error["code"] == "data_file"


def test_a_picture_that_cannot_be_written(suite: Path) -> None:
    error = refused("small", "--suite", str(suite), "--plot", str(suite.parent / "no" / "a.svg"))
    assert "folder" in error["message"]
