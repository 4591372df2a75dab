"""Asking an endpoint which models it has (`GET /models`), briefly. A bad one raises nothing."""

import asyncio
from dataclasses import dataclass
from typing import Final

import httpx
from pydantic import SecretStr

from capibara6.codegen.tiers import is_loopback

_BODY_BYTES_MAX: Final = 2 * 1024 * 1024
_MODELS_MAX: Final = 2_000


@dataclass(frozen=True, slots=True)
class Probe:
    """What an endpoint says of itself."""

    models: tuple[str, ...] = ()
    problem: str = ""  # "" when it answered as it should
    is_ollama: bool = False


async def probe(base_url: str, api_key: SecretStr | None, *, timeout_s: float) -> Probe:
    """Ask one endpoint.

    Args:
        base_url: up to the version, such as "http://127.0.0.1:11434/v1".
        api_key: sent as a bearer token; None for none.
        timeout_s: for everything.
    """
    headers = {"authorization": f"Bearer {api_key.get_secret_value()}"} if api_key else {}
    # A proxy of the environment is for the world outside, not for this machine.
    client = httpx.AsyncClient(
        trust_env=not is_loopback(base_url), timeout=timeout_s, headers=headers
    )
    try:
        async with asyncio.timeout(timeout_s), client:
            status, body = await _fetch(client, f"{base_url.rstrip('/')}/models")
    except TimeoutError:
        return Probe(problem=f"nothing within {timeout_s:g} s")
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        return Probe(problem=str(failure)[:200] or type(failure).__name__)
    if status in {401, 403}:
        return Probe(problem=f"HTTP {status}: the key is missing or refused")
    if status != httpx.codes.OK:
        return Probe(problem=f"HTTP {status}")
    return _read(body)


async def _fetch(client: httpx.AsyncClient, url: str) -> tuple[int, bytes]:
    body = bytearray()
    async with client.stream("GET", url) as response:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > _BODY_BYTES_MAX:
                return response.status_code, b""
        return response.status_code, bytes(body)


def _read(body: bytes) -> Probe:
    try:
        listing = httpx.Response(200, content=body).json()
        items = listing["data"] or []  # Ollama without models says null
        models = [item["id"] for item in items[:_MODELS_MAX]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return Probe(problem="its list of models cannot be read")
    if not all(isinstance(model, str) for model in models):
        return Probe(problem="its list of models cannot be read")
    owners = {item.get("owned_by") for item in items}
    return Probe(tuple(models), is_ollama="library" in owners)
