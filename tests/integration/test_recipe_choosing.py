"""The chooser at a real endpoint: a scripted OpenAI-compatible server on loopback."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from capibara6.cli.commands import app
from capibara6.codegen.choosing import measurements
from capibara6.codegen.choosing.chooser import CHOICE_TOKENS_MAX, ModelChooser
from capibara6.codegen.choosing.picking import UnusableChoiceError
from capibara6.codegen.profiling import profile_file
from capibara6.codegen.recipes.asked import Asked, read_question
from capibara6.codegen.tiers import ModelTier
from capibara6.domain.requests import Request
from scripted_model import Reply, ScriptedModel

TABLE = b"city,price,rooms\nRome,100,2\nOslo,90.5,3\nRome,120,3\n"
GOOD = json.dumps(
    {
        "choice": {
            "recipe": "group",
            "GROUP_BY": ["city"],
            "VALUE": "price",
            "AGGREGATE": "mean",
            "TOP": None,
            "ASCENDING": False,
        }
    }
)


def asked() -> Asked:
    found = read_question(Request("0" * 32, "x", (profile_file("homes.csv", TABLE),)), "en")
    assert found
    return found


def chooser(model: ScriptedModel, timeout_s: float = 60.0) -> ModelChooser:
    tier = ModelTier("fast_response", model.base_url, "phi3:mini", timeout_s=timeout_s)
    return ModelChooser(replace(tier, usd_per_million_tokens_out=1.0))


async def test_a_schema_is_sent_and_the_answer_becomes_a_choice() -> None:
    async with ScriptedModel([GOOD]) as model:
        found = await chooser(model).pick(asked())
    assert found.choice
    assert found.choice.parameters["GROUP_BY"] == ["city"]
    assert found.completion_tokens > 0
    assert found.cost_usd > 0
    (sent,) = model.requests
    assert (sent["temperature"], sent["max_tokens"]) == (0, CHOICE_TOKENS_MAX)
    form = sent["response_format"]
    assert form["type"] == "json_schema"
    assert '"enum": ["price", "rooms"]' in json.dumps(form["json_schema"]["schema"])


async def test_an_endpoint_that_wants_the_schema_otherwise_is_asked_so_from_then_on() -> None:
    refusal = Reply(status=500, text="Input should be 'text' or 'json_object'")
    async with ScriptedModel([refusal, GOOD]) as model:
        one = chooser(model)
        for _ in range(2):
            assert (await one.pick(asked())).choice
    types = [sent["response_format"]["type"] for sent in model.requests]
    assert types == ["json_schema", "json_object", "json_object"]
    assert "choice" in model.requests[-1]["response_format"]["schema"]["properties"]


async def test_a_model_that_goes_on_after_its_answer_is_left() -> None:
    async with ScriptedModel([Reply(GOOD + "\n" * 40, endless=True, chunk_chars=400)]) as model:
        assert (await chooser(model).pick(asked())).choice
        await model.closed_streams()
    assert model.open_streams == 0


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (Reply("The best recipe is group."), "no JSON"),
        (Reply(GOOD[:30]), "no JSON"),
        (Reply(GOOD, cut_after_chars=20), "stream|connection|broke"),
        (Reply(status=401, text="no"), "key|401"),
        (Reply("[1, ", endless=True, chunk_chars=400), "JSON|characters|bytes"),
        (Reply(GOOD, first_token_delay_s=30), "no first token"),
    ],
)
async def test_what_is_no_choice_is_told(reply: Reply, complaint: str) -> None:
    async with ScriptedModel([reply]) as model:
        with pytest.raises(UnusableChoiceError, match=complaint):
            await chooser(model, 0.5 if reply.first_token_delay_s else 60.0).pick(asked())
        await model.closed_streams()


async def test_nothing_there_is_told() -> None:
    async with ScriptedModel() as model:
        gone = chooser(model)
    with pytest.raises(UnusableChoiceError):
        await gone.pick(asked())


def questions(folder: Path) -> Path:
    (folder / "homes.csv").write_bytes(TABLE)
    right = [{"recipe": "group", "GROUP_BY": ["city"], "VALUE": "price", "AGGREGATE": "mean"}]
    line = {"language": "en", "data": "homes.csv", "accept": right}
    asked = ["zyxwv"] * 12  # nothing that rules could understand
    path = folder / "questions.jsonl"
    path.write_text("\n".join(json.dumps({**line, "question": text}) for text in asked))
    return path


async def test_a_model_that_measures_better_is_kept_and_chooses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = questions(tmp_path)
    async with ScriptedModel([GOOD]) as model:
        tier = {"base_url": model.base_url, "model": "phi3:mini"}
        config = tmp_path / "e2b_config.json"
        config.write_text(json.dumps({"tiers": {"fast_response": tier}}))
        monkeypatch.setattr(measurements, "QUESTIONS_MIN", 10)
        monkeypatch.setenv("CAPIBARA6_CONFIG", str(config))
        monkeypatch.setenv("CAPIBARA6_HOME", str(tmp_path / "home"))
        command = ["eval", "recipes", str(path), "--tier", "fast_response", "--json"]
        first = await asyncio.to_thread(CliRunner().invoke, app, command)
        assert not (tmp_path / "home" / "recipe_choices.json").exists()
        kept = await asyncio.to_thread(CliRunner().invoke, app, [*command, "--keep"])
    document = json.loads(first.stdout)
    assert document["chooses"] == json.loads(kept.stdout)["chooses"] == "model"
    assert document["measurement"]["compared"]["model"] == {"right": 12, "gained": 12, "lost": 0}
    assert (tmp_path / "home" / "recipe_choices.json").exists()
