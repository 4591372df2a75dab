"""The checks of `capibara6 doctor`: the platform's own, and those of the sandbox server's."""

import asyncio
import json
import os
import shutil
import sys
from dataclasses import dataclass
from typing import Any, Final

from capibara6.cli.stored import stored
from capibara6.config import Settings, load_settings
from capibara6.errors import CapibaraError
from capibara6.local_models.opening import opened_models
from capibara6.main import embedded_server
from capibara6.model_tiers import available_models
from capibara6.supervision.environment import server_environment
from capibara6.supervision.server import unnoticed

_SANDBOX_DOCTOR: Final = ("-m", "capibara6_sandbox", "doctor", "--json")
_SANDBOX_DOCTOR_S_MAX: Final = 120
_TOOLS: Final = {
    "ruff": "Programs are checked with it before they run; reinstall capibara6.",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that holds here, or does not."""

    part: str  # "platform" | "sandbox"
    name: str
    ok: bool
    needed: bool  # whether capibara6 cannot work without it
    detail: str
    remedy: str = ""


_NO_MODEL: Final = Check(
    "platform",
    "models",
    ok=False,
    needed=False,
    detail="no model answers; recipes answer common questions about tables",
    remedy="Start Ollama or vLLM, set OPENAI_API_KEY, or name a tier in e2b_config.json.",
)


async def examine() -> list[Check]:
    """Check everything; a failing check hides no other."""
    try:
        settings = load_settings()
    except CapibaraError as error:
        wrong = Check("platform", "configuration", ok=False, needed=True, detail=str(error))
        return [wrong, *await _sandbox()]
    checks = [
        _passed("configuration", f"provider {settings.provider}, data in {settings.home}"),
        await _database(settings),
        await _provider(settings),
        *await _models(settings),
        *_tools(),
    ]
    return [*checks, *(await _sandbox() if settings.provider == "embedded" else [])]


def _passed(name: str, detail: str) -> Check:
    return Check("platform", name, ok=True, needed=True, detail=detail)


async def _database(settings: Settings) -> Check:
    try:
        async with stored(settings) as store:
            page = await store.executions.list(limit=1)
    except CapibaraError as error:
        return Check("platform", "database", ok=False, needed=True, detail=str(error))
    return _passed("database", f"{page.total} executions recorded")


async def _provider(settings: Settings) -> Check:
    server = embedded_server(settings)
    if server:
        address = await server.running()
        where = address.api_url if address else "starts when it is needed"
        return _passed("provider", f"embedded server: {where}")
    if settings.provider == "embedded":
        return _passed("provider", f"embedded server at {settings.embedded.api_url}, as configured")
    if settings.e2b_api_key is None:
        remedy = "Set E2B_API_KEY in the environment or .env, or choose the embedded provider."
        detail = "E2B's cloud needs E2B_API_KEY, which is not set"
        return Check("platform", "provider", ok=False, needed=True, detail=detail, remedy=remedy)
    return _passed("provider", f"E2B's cloud ({settings.e2b.domain}), with a key")


async def _models(settings: Settings) -> list[Check]:
    try:
        async with opened_models(settings.home, unnoticed) as local:
            found = await available_models(settings, local)
    except CapibaraError as error:
        return [Check("platform", "models", ok=False, needed=True, detail=str(error))]
    usable = [
        _passed(f"model tier {tier.name}", f"{tier.model} at {tier.address}")
        for tier in found.usable
    ]
    replaced = {tier.name for tier in found.usable}
    unusable = [
        Check("platform", f"model tier {tier.name}", ok=False, needed=False, detail=tier.reason)
        for tier in found.unusable
        if tier.name not in replaced
    ]
    return [*usable, *unusable, *([] if usable else [_NO_MODEL])]


def _tools() -> list[Check]:
    folder = os.path.dirname(sys.executable)
    path = os.pathsep.join((folder, os.environ.get("PATH", "")))
    checks = []
    for name, purpose in _TOOLS.items():
        found = shutil.which(name, path=path)
        checks.append(
            Check("platform", f"tool {name}", bool(found), True, found or "not found", purpose)
        )
    return checks


async def _sandbox() -> list[Check]:
    """What the sandbox server's own doctor says; it is another program, asked by its command."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *_SANDBOX_DOCTOR,
        env=server_environment(os.environ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_SANDBOX_DOCTOR_S_MAX):
            printed, complaint = await process.communicate()
        return [_of_sandbox(item) for item in json.loads(printed)]
    except TimeoutError:
        process.kill()
        await process.wait()
        why = f"no answer in {_SANDBOX_DOCTOR_S_MAX} s"
    except (ValueError, KeyError, TypeError):
        why = complaint.decode(errors="replace").strip()[-500:] or "no answer"
    return [Check("sandbox", "doctor", ok=False, needed=True, detail=why)]


def _of_sandbox(item: dict[str, Any]) -> Check:
    return Check(
        "sandbox",
        str(item["name"]),
        ok=bool(item["ok"]),
        needed=bool(item["needed"]),
        detail=str(item["detail"]),
        remedy=str(item.get("remedy", "")),
    )
