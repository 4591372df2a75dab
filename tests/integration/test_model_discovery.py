"""Tiers are found by asking real endpoints on loopback."""

import socket

import pytest
from pydantic import SecretStr

from capibara6.codegen.catalogue import LocalServer, size_of
from capibara6.codegen.discovery import Discovery, discover
from capibara6.codegen.tiers import ModelTier
from scripted_model import ScriptedModel


def tiers(base_url: str) -> list[ModelTier]:
    return [
        ModelTier("fast_response", base_url, "phi3:mini"),
        ModelTier("balanced", base_url, "mistral"),
        ModelTier("complex", base_url, "gpt-oss:20b"),
    ]


@pytest.fixture
def nowhere() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}/v1"


def names(found: Discovery) -> dict[str, str]:
    return {tier.name: tier.model for tier in found.usable}


async def test_configured_tiers_that_answer_are_usable() -> None:
    async with ScriptedModel(models=["phi3:mini", "mistral:latest", "gpt-oss:20b"]) as model:
        configured = tiers(model.base_url)
        found = await discover(configured, {}, local_servers=())
    assert found == Discovery(tuple(configured))


async def test_a_model_that_was_not_pulled_is_told() -> None:
    async with ScriptedModel(models=["phi3:mini"]) as model:
        found = await discover(tiers(model.base_url), {}, fill=False)
    assert names(found) == {"fast_response": "phi3:mini"}
    assert [tier.name for tier in found.unusable] == ["balanced", "complex"]
    assert "ollama pull mistral" in found.unusable[0].reason
    assert "phi3:mini" in found.unusable[0].reason


async def test_nothing_answers(nowhere: str) -> None:
    found = await discover(tiers(nowhere), {}, local_servers=())
    assert found.usable == ()
    assert len(found.unusable) == 3
    assert nowhere in found.unusable[0].reason


async def test_vacant_tiers_are_filled_from_this_machine_smallest_first(nowhere: str) -> None:
    async with (
        ScriptedModel(models=["llama3.1:70b", "nomic-embed-text", "qwen2.5-coder:1.5b"]) as ollama,
        ScriptedModel(models=["Qwen/Qwen2.5-14B-Instruct"]) as vllm,
    ):
        servers = [
            LocalServer("Ollama", ollama.base_url),
            LocalServer("vLLM", vllm.base_url),
            LocalServer("llama.cpp", nowhere),
        ]
        found = await discover(tiers(nowhere), {}, local_servers=servers)
    assert names(found) == {
        "fast_response": "qwen2.5-coder:1.5b",
        "balanced": "Qwen/Qwen2.5-14B-Instruct",
        "complex": "llama3.1:70b",
    }
    assert found.usable[1].base_url == vllm.base_url
    assert len(found.unusable) == 3  # what was configured is still told


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (["a:7b"], {"balanced": "a:7b"}),
        (["b:70b", "a:7b"], {"fast_response": "a:7b", "complex": "b:70b"}),
        ([], {}),
    ],
)
async def test_few_models_are_spread_over_the_tiers(
    nowhere: str, models: list[str], expected: dict[str, str]
) -> None:
    async with ScriptedModel(models=models) as model:
        servers = [LocalServer("Ollama", model.base_url)]
        found = await discover(tiers(nowhere), {}, local_servers=servers)
    assert names(found) == expected


async def test_a_key_brings_openais_models(nowhere: str) -> None:
    async with ScriptedModel(models=["gpt-4o-mini", "gpt-4.1-mini", "o1", "gpt-4o"]) as openai:
        environment = {"OPENAI_API_KEY": " sk-x ", "OPENAI_BASE_URL": openai.base_url}
        found = await discover(tiers(nowhere), environment, local_servers=())
    assert names(found) == {
        "fast_response": "gpt-4o-mini",
        "balanced": "gpt-4.1-mini",
        "complex": "gpt-4o",
    }
    assert all(tier.api_key == SecretStr("sk-x") for tier in found.usable)
    assert all(tier.usd_per_million_tokens_out > 0 for tier in found.usable)
    assert "sk-x" not in repr(found)


async def test_a_key_fills_the_place_that_is_vacant() -> None:
    async with (
        ScriptedModel(models=["phi3:mini", "mistral"]) as ollama,
        ScriptedModel(models=["gpt-4o-mini", "gpt-4.1-mini", "gpt-4.1"]) as openai,
    ):
        environment = {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": openai.base_url}
        found = await discover(tiers(ollama.base_url), environment, local_servers=())
    assert names(found)["complex"] == "gpt-4.1"
    assert names(found)["balanced"] == "mistral"


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, "{}", "key is missing or refused"),
        (500, "{}", "HTTP 500"),
        (200, "<html>", "cannot be read"),
        (200, '{"data": [1]}', "cannot be read"),
        (200, '{"data": [{"id": 3}]}', "cannot be read"),
        (200, '{"data": null}', "it has: none"),
    ],
)
async def test_an_odd_endpoint_is_told(status: int, body: str, words: str) -> None:
    async with ScriptedModel(models_status=status, models_body=body) as model:
        found = await discover(tiers(model.base_url), {}, local_servers=())
    assert found.usable == ()
    assert words in found.unusable[0].reason


def test_sizes_are_read_from_names() -> None:
    assert size_of("qwen2.5-coder:1.5b") == 1.5
    assert size_of("Qwen/Qwen2.5-14B-Instruct") == 14
    assert size_of("gpt-oss:20b") == 20
    assert size_of("phi3:mini") < size_of("mistral") < size_of("unheard-of") < size_of("x:9b")
