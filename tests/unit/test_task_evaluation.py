"""`capibara6 eval tasks`: what the router takes requests without data for."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from capibara6.cli.commands import app
from capibara6.domain.tasks import FAMILIES, TASKS
from capibara6.errors import DataFileError
from capibara6.evaluation.tasks import TaskPrompt, accuracy, read_task_prompts, understand

PROMPTS = Path(__file__).parents[1] / "data/task_prompts.jsonl"


def test_both_languages_are_understood_and_neither_falls_behind() -> None:
    # "held" prompts were written before the rules for requests without data.
    prompts = read_task_prompts(PROMPTS)
    splits = [json.loads(line)["split"] for line in PROMPTS.read_text().splitlines()]
    for split in ("dev", "held"):
        chosen = [p for p, s in zip(prompts, splits, strict=True) if s == split]
        shares = accuracy(understand(chosen))
        assert min(shares.values()) >= 0.95
        assert abs(shares["es"] - shares["en"]) <= 0.03


@pytest.mark.parametrize(
    ("prompt", "family"),
    [
        ("def area(r):\n    return 3.14 * r ** 2\n# what is wrong?", "code"),
        ("Un bolígrafo cuesta 2 euros y una libreta el doble. ¿Cuánto cuestan los dos?", "code"),
        ("Who won the world cup in 1998 and 2002?", "conversation"),
        ("¿Por qué llueve más en otoño?", "conversation"),
        ("mean and median of the ages in people.csv", "data_analysis"),
        ("dibuja la función seno", "visualization"),
        ("entrena un modelo que prediga el abandono", "machine_learning"),
    ],
)
def test_requests_without_data_fall_into_families(prompt: str, family: str) -> None:
    (found,) = understand([TaskPrompt(prompt, "", family)])
    assert FAMILIES[found.found] == family


def test_every_task_has_a_family() -> None:
    assert set(FAMILIES) == set(TASKS)


def test_a_label_is_a_task_or_a_family(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    line = {"prompt": "average age by city in people.csv", "language": "en", "task": "group"}
    path.write_text("\n".join(json.dumps({**line, "task": t}) for t in ("group", "Data Analysis")))
    assert [result.right for result in understand(read_task_prompts(path))] == [True, True]
    path.write_text(json.dumps({**line, "task": "cooking"}))
    with pytest.raises(DataFileError, match="'task' is 'cooking'"):
        read_task_prompts(path)


def test_the_command_tells_the_accuracy_by_language(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["eval", "tasks", str(PROMPTS), "--json"])
    assert result.exit_code == 0
    values = json.loads(result.stdout)
    assert set(values["accuracy"]) == {"en", "es"}
    assert values["prompts"] == 148
    told = CliRunner().invoke(app, ["eval", "tasks", str(PROMPTS)])
    assert "es" in told.stdout
