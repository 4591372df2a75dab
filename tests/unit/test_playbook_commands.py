"""`capibara6 playbook …` on a store of their own."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from capibara6.ace.deltas import add, line_of, outcome
from capibara6.cli.commands import app
from capibara6.domain.playbook import Bullet

NOW = datetime(2026, 1, 1, tzinfo=UTC)
IDS = ("a" * 32, "b" * 32, "c" * 32)
CHANGES = [
    *(add(Bullet(name, "api", f"lesson {name[0]}", NOW), "a question") for name in IDS),
    outcome(IDS[1], "run", 1, "helpful", NOW),
    *(outcome(IDS[2], f"run {n}", 1, "harmful", NOW) for n in range(2)),
]


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAPIBARA6_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(line_of(change)) + "\n" for change in CHANGES))
    return path


def call(*arguments: str, status: int = 0) -> Result:
    result = CliRunner().invoke(app, ["playbook", *arguments])
    assert result.exit_code == status, result.output
    return result


def called(*arguments: str) -> Any:
    return json.loads(call(*arguments, "--json").stdout)


def ids(*arguments: str) -> list[str]:
    return [bullet["id"] for bullet in called("list", *arguments)["bullets"]]


def test_it_goes_out_and_comes_back(file: Path) -> None:
    copy = file.with_name("out.jsonl")
    assert called("import", str(file)) == {"imported": 6, "known": 0}
    assert called("import", str(file)) == {"imported": 0, "known": 6}
    assert called("export", str(copy)) == {"exported": 6}
    before = called("list", "--all")
    assert called("reset", "--yes") == {"forgotten": 6}
    assert ids("--all") == []
    call("import", str(copy))
    assert called("list", "--all") == before


def test_it_is_listed_and_tended(file: Path) -> None:
    call("import", str(file))
    assert ids() == [IDS[1], IDS[0]]
    assert len(ids("--all")) == 3
    assert called("show", "bb")["helpful"] == 1
    assert "lesson b" in call("show", "bb").stdout
    assert "lesson a" in call("list").stdout
    assert called("disable", "aa")["status"] == "disabled"
    assert ids() == [IDS[1]]
    assert called("disable", "aa", "--undo")["status"] == "active"
    assert called("merge", "aa", "bb") == {"merged": 1}
    assert ids() == [IDS[1]]
    assert called("show", "aa")["aliases"] == [IDS[0]]
    assert called("prune") == {"harmful": 1, "of_least_value": 0}
    assert called("prune", "--keep", "0") == {"harmful": 0, "of_least_value": 1}
    assert ids() == []
    assert {one["status"] for one in called("list", "--all")["bullets"]} == {"removed"}


def test_what_is_not_there_is_refused(file: Path) -> None:
    call("import", str(file))
    for unknown in ("dd", ""):
        assert "No one bullet has the id" in call("show", unknown, status=2).stderr
    file.write_text('{"id": "x"}\n')
    assert "line 1: 'id' is 'x'" in call("import", str(file), status=2).stderr
    assert CliRunner().invoke(app, ["playbook", "reset"], input="n\n").exit_code == 1
