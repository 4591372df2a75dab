"""`capibara6 sandbox self-check`."""

from typing import Any

import httpx
from e2b.exceptions import SandboxException
from rich.console import Console

from capibara6.cli import exit_codes
from capibara6.cli.opening import opened
from capibara6.cli.terminal import environment_language, output, print_json, visible
from capibara6.config import Settings, load_settings
from capibara6.errors import ConfigurationError, ProviderUnreachableError
from capibara6.execution.providers import Provider, configured_provider
from capibara6.selfcheck import Outcome, SelfCheck, check_behaviours
from capibara6.texts import say

_STYLES = {"ok": "green", "differs": "red", "not offered": "yellow"}


async def self_check(provider: str | None, template: str, *, as_json: bool) -> int:
    """Try every behaviour on a provider; 0 if none differs that is required."""
    settings = _settings(provider)
    console = output()

    def tell(outcome: Outcome) -> None:
        if not as_json:
            _print_outcome(console, outcome)

    async with opened(settings, environment_language()):
        found = await configured_provider(settings)()
        checked = await _check(found, template, tell)
    if as_json:
        print_json(checked.as_json())
    else:
        _print_end(console, checked)
    return exit_codes.OK if checked.passed else exit_codes.PROGRAM_FAILED


def _settings(provider: str | None) -> Settings:
    settings = load_settings()
    if provider is None:
        return settings
    if provider not in ("embedded", "e2b"):
        known = "Choose embedded or e2b."
        raise ConfigurationError("--provider", provider, "there is no such provider", known)
    return settings.model_copy(update={"provider": provider})


async def _check(found: Provider, template: str, tell: Any) -> SelfCheck:
    try:
        return await check_behaviours(found.name, found.options, template, tell)
    except (SandboxException, httpx.HTTPError) as cause:
        raise ProviderUnreachableError(found.name, found.address, str(cause)) from None


def _print_outcome(console: Console, outcome: Outcome) -> None:
    key = f"self_check_{outcome.status.replace(' ', '_')}"
    word = say(key, environment_language())
    line = f"{word:<12} {outcome.behaviour:<40} {outcome.wall_s:6.2f} s  {outcome.reason}"
    style = _STYLES[outcome.status]
    console.print(visible(line.rstrip()), style=style, markup=False, soft_wrap=True)


def _print_end(console: Console, checked: SelfCheck) -> None:
    counts = dict.fromkeys(_STYLES, 0)
    for outcome in checked.outcomes:
        counts[outcome.status] += 1
    text = say(
        "self_check_end",
        environment_language(),
        provider=checked.provider,
        runtime=checked.runtime,
        ok=str(counts["ok"]),
        differs=str(counts["differs"]),
        not_offered=str(counts["not offered"]),
    )
    console.print(text, markup=False, soft_wrap=True)
