"""Which model tiers can be used here: configured ones that answer, and others found by themselves.

Looks for Ollama, vLLM and llama.cpp on this machine and for `OPENAI_API_KEY`, all at once and
briefly. It asks each endpoint only which models it has.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydantic import SecretStr

from capibara6.codegen.catalogue import (
    LOCAL_SERVERS,
    OPENAI_URL,
    LocalServer,
    is_chat_model,
    openai_choices,
    size_of,
)
from capibara6.codegen.probe import Probe, probe
from capibara6.codegen.tiers import ModelTier, is_loopback

_LOCAL_TIMEOUT_S: Final = 3.0  # where nothing listens the answer comes at once
_REMOTE_TIMEOUT_S: Final = 4.0


@dataclass(frozen=True, slots=True)
class UnusableTier:
    """A configured tier that cannot be used, with what to do about it."""

    name: str
    model: str
    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found. A tier is in one of the two, or in both when another model replaces it."""

    usable: tuple[ModelTier, ...]  # in the order of the configuration, cheapest first
    unusable: tuple[UnusableTier, ...] = ()


async def discover(
    configured: Sequence[ModelTier],
    environment: Mapping[str, str],
    *,
    local_servers: Sequence[LocalServer] = LOCAL_SERVERS,
    fill: bool = True,
) -> Discovery:
    """Find the tiers that can be used now.

    A configured tier is usable when its endpoint has its model. With `fill`, the places of the
    others are filled with models found on this machine, smallest first, or else with OpenAI's.
    It takes a second at most, or four when an endpoint elsewhere does not answer.

    Args:
        configured: cheapest first.
        environment: for OPENAI_API_KEY and OPENAI_BASE_URL.
        local_servers: where to look on this machine.
        fill: False to use nothing that is not configured.
    """
    key = environment.get("OPENAI_API_KEY", "").strip()
    openai_url = environment.get("OPENAI_BASE_URL", "").strip() or OPENAI_URL
    wanted = {(tier.base_url, tier.api_key): _timeout_s(tier.base_url) for tier in configured}
    if fill:
        wanted |= {(server.base_url, None): _LOCAL_TIMEOUT_S for server in local_servers}
        if key:
            wanted[openai_url, SecretStr(key)] = _timeout_s(openai_url)
    async with asyncio.TaskGroup() as tasks:
        running = {
            place: tasks.create_task(probe(*place, timeout_s=timeout_s))
            for place, timeout_s in wanted.items()
        }
    probes = {place: task.result() for place, task in running.items()}
    reasons = {tier.name: _reason(tier, probes[tier.base_url, tier.api_key]) for tier in configured}
    vacant = [tier for tier in configured if reasons[tier.name]]
    found = _local_fillers(vacant, local_servers, probes) if fill else {}
    if fill and key and not found:
        models = probes[openai_url, SecretStr(key)].models
        found = _openai_fillers(configured, vacant, models, openai_url, SecretStr(key))
    usable = [found.get(tier.name) or tier for tier in configured]
    unusable = (
        UnusableTier(tier.name, tier.model, tier.address, reasons[tier.name]) for tier in vacant
    )
    return Discovery(
        tuple(tier for tier in usable if tier.name in found or not reasons[tier.name]),
        tuple(unusable),
    )


Places = Mapping[tuple[str, SecretStr | None], Probe]


def _timeout_s(base_url: str) -> float:
    return _LOCAL_TIMEOUT_S if is_loopback(base_url) else _REMOTE_TIMEOUT_S


def _reason(tier: ModelTier, found: Probe) -> str:
    """Why a tier cannot be used; "" when it can."""
    if found.problem:
        return f"{tier.address} does not answer as a model endpoint ({found.problem})"
    if _holds(found.models, tier.model):
        return ""
    there = ", ".join(found.models[:8]) or "none"
    remedy = "pull it with `ollama pull " + tier.model + "`" if found.is_ollama else "change model"
    return f"{tier.address} has no model {tier.model!r} (it has: {there}); {remedy}"


def _holds(models: Sequence[str], wanted: str) -> bool:
    """Ollama lists `mistral` as `mistral:latest`."""
    return wanted in models or f"{wanted}:latest" in models


def _local_fillers(
    vacant: Sequence[ModelTier], servers: Sequence[LocalServer], probes: Places
) -> dict[str, ModelTier]:
    """Models of this machine for the vacant tiers, the smallest for the first."""
    models = [
        (model, server.base_url)
        for server in servers
        for model in probes[server.base_url, None].models
        if is_chat_model(model)
    ]
    models.sort(key=lambda pair: size_of(pair[0]))
    fillers = {}
    for tier, (model, base_url) in _spread(vacant, models):
        local = replace(tier, base_url=base_url, model=model, api_key=None)
        fillers[tier.name] = replace(
            local, usd_per_million_tokens_in=0.0, usd_per_million_tokens_out=0.0
        )
    return fillers


def _spread(
    vacant: Sequence[ModelTier], models: Sequence[tuple[str, str]]
) -> list[tuple[ModelTier, tuple[str, str]]]:
    """Pair tiers with models, both in order: one model goes to the middle tier, two to the ends."""
    if not vacant or not models:
        return []
    if len(models) == 1:
        return [(vacant[len(vacant) // 2], models[0])]
    count = min(len(vacant), len(models))
    return [
        (vacant[_place(index, count, len(vacant))], models[_place(index, count, len(models))])
        for index in range(count)
    ]


def _place(index: int, count: int, length: int) -> int:
    """The place of item `index` of `count` when they are spread over `length`."""
    return round(index * (length - 1) / (count - 1)) if count > 1 else length - 1


def _openai_fillers(
    configured: Sequence[ModelTier],
    vacant: Sequence[ModelTier],
    models: Sequence[str],
    base_url: str,
    key: SecretStr,
) -> dict[str, ModelTier]:
    """OpenAI's models for the vacant tiers, each as strong as its place in the configuration."""
    choices = openai_choices(models)
    fillers = {}
    for index, tier in enumerate(configured):
        choice = choices[_place(index, len(configured), len(choices))]
        if choice is None or tier not in vacant:
            continue
        fillers[tier.name] = replace(
            tier,
            base_url=base_url,
            model=choice.model,
            api_key=key,
            usd_per_million_tokens_in=choice.usd_per_million_tokens_in,
            usd_per_million_tokens_out=choice.usd_per_million_tokens_out,
            context_tokens=choice.context_tokens,
        )
    return fillers
