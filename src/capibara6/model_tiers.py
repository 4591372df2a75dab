"""Which model each tier is: the configured one, a local one in its place, or one that was found.

Heavy modules are imported where they are used, as in `main`.
"""

import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from capibara6.config import Settings
from capibara6.domain.ports import ProgramWriter
from capibara6.local_models.opening import LocalTier

if TYPE_CHECKING:
    from capibara6.codegen.choosing.policies import ModelAdviser
    from capibara6.codegen.discovery import Discovery
    from capibara6.codegen.tiers import ModelTier

log = logging.getLogger(__name__)

_LOCAL_TIMEOUT_S: Final = 600.0
_LOCAL_TEMPERATURE: Final = 0.0  # of models so small that the likeliest program is their best
LocalTiers = tuple[LocalTier, ...]


async def available_models(settings: Settings, local: LocalTiers = ()) -> "Discovery":
    """The model tiers that answer now, and why the others do not.

    Args:
        settings: the configured tiers.
        local: local models, in the places of tiers of the configuration.
    """
    from capibara6.codegen.discovery import discover

    keys = {name: key.get_secret_value() for name, key in settings.model_keys.items()}
    configured = [tier_of(settings, name, local) for name in settings.tiers]
    found = await discover(configured, {**os.environ, **keys})
    problems = {one.model.tier: one.problem for one in local if one.problem}
    unusable = (
        replace(tier, reason=problems.get(tier.name, tier.reason)) for tier in found.unusable
    )
    return replace(found, unusable=tuple(unusable))


def tier_of(settings: Settings, name: str, local: LocalTiers) -> "ModelTier":
    """The model of a tier: a local one in its place, else the configured one."""
    from capibara6.codegen.tiers import ModelTier

    if own := next((one for one in local if one.model.tier == name), None):
        return _local_tier(settings, own)
    tier = settings.tier(name)
    return ModelTier(
        name=name,
        base_url=tier.base_url,
        model=tier.model,
        api_key=settings.tier_key(name),
        usd_per_million_tokens_in=tier.usd_per_million_tokens_in,
        usd_per_million_tokens_out=tier.usd_per_million_tokens_out,
        timeout_s=tier.timeout_s,
        tokens_max=tier.tokens_max,
        context_tokens=tier.context_tokens,
    )


def _local_tier(settings: Settings, local: LocalTier) -> "ModelTier":
    """A local model costs nothing but time; who waits for their turn waits for the first token."""
    from capibara6.codegen.tiers import ModelTier

    model = local.model
    return ModelTier(
        name=model.tier,
        base_url=local.base_url,
        model=model.name,
        api_key=SecretStr(local.key),
        timeout_s=_LOCAL_TIMEOUT_S,
        first_token_timeout_s=_LOCAL_TIMEOUT_S,
        tokens_max=min(settings.tier(model.tier).tokens_max, model.context_tokens // 4),
        context_tokens=model.context_tokens,
        temperature=_LOCAL_TEMPERATURE,
    )


def writers(models: "Discovery", adviser: "ModelAdviser | None") -> list[ProgramWriter]:
    """One a tier, cheapest first: the recipes, then the models that answer."""
    from capibara6.codegen.models import ModelWriter
    from capibara6.codegen.recipes import RecipeWriter

    return [RecipeWriter(adviser), *(ModelWriter(tier) for tier in models.usable)]


def spare_writers(
    settings: Settings, models: "Discovery", local: LocalTiers
) -> list[ProgramWriter]:
    """Of the configured tiers that do not answer, so that who asks for one is told why."""
    from capibara6.codegen.models import ModelWriter

    for tier in models.unusable:
        log.info("model tier %s does not answer: %s", tier.name, tier.reason)
    return [ModelWriter(tier_of(settings, tier.name, local)) for tier in models.unusable]
