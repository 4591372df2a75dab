"""`capibara6 router show|export|import|reset` on a store of their own."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from capibara6.cli.commands import app
from capibara6.evaluation.outcomes import parse_outcomes

LINES = [
    {
        "prompt": f"question {n}",
        "task": "code",
        "outcomes": {
            "fast_response": {"success": n % 2, "cost": 0.001},
            "complex": {"success": 1, "cost": 0.02},
        },
    }
    for n in range(6)
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAPIBARA6_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str, status: int = 0) -> Result:
    result = CliRunner().invoke(app, ["router", *arguments])
    assert result.exit_code == status, result.output
    return result


def called(*arguments: str) -> Any:
    return json.loads(call(*arguments, "--json").stdout)


def test_outcomes_go_out_and_come_back(home: Path) -> None:
    source, copy = home / "in.jsonl", home / "out.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    assert called("import", str(source)) == {"imported": 12, "known": 0}
    assert called("import", str(source)) == {"imported": 0, "known": 12}
    assert called("export", str(copy)) == {"exported": 12}
    lines = [json.loads(line) for line in copy.read_text().splitlines()]
    assert all(parse_outcomes(line) for line in lines)  # `eval router` reads them, too
    assert called("import", str(copy)) == {"imported": 0, "known": 12}
    assert called("reset", "--yes") == {"forgotten": 12}
    assert called("import", str(copy)) == {"imported": 12, "known": 0}


def test_show_tells_what_is_known_and_expected(home: Path) -> None:
    source = home / "in.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    empty = called("show")
    assert empty["learning"] == "on"
    assert empty["tiers"]["complex"]["outcomes"] == 0
    call("import", str(source))
    tiers = called("show", "another question")["tiers"]
    assert tiers["complex"]["outcomes"] == 6
    assert tiers["fast_response"]["success"] == 0.5
    assert tiers["complex"]["expected"] > tiers["fast_response"]["expected"]
    assert "complex" in call("show").stdout


def test_reset_asks_first(home: Path) -> None:
    result = CliRunner().invoke(app, ["router", "reset"], input="n\n")
    assert result.exit_code == 1


def test_a_wrong_file_is_refused_whole(home: Path) -> None:
    path = home / "wrong.jsonl"
    wrong = {**LINES[1], "at": "yesterday"}
    path.write_text(json.dumps(LINES[0]) + "\n" + json.dumps(wrong) + "\n")
    assert "line 2: 'at' is 'yesterday'" in call("import", str(path), status=2).stderr
    wrong = {"prompt": "p", "outcomes": {"a": {"success": 1, "cost": 0, "id": "x"}}}
    path.write_text(json.dumps(wrong))
    assert "'id' of 'a' is 'x'" in call("import", str(path), status=2).stderr
    assert called("show")["tiers"]["complex"]["outcomes"] == 0
