"""What a sandbox used, as the provider's metrics endpoint tells it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx
import structlog

from capibara6.execution.providers import Provider

_REQUEST_TIMEOUT_S = 5.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Measured:
    """CPU time, peak memory and disk of a sandbox; None where the provider does not say."""

    cpu_s: float | None = None
    memory_peak_bytes: int | None = None
    disk_peak_bytes: int | None = None


class MetricsReader:
    """Reads `GET /sandboxes/{id}/metrics`.

    The published client drops the fields that the embedded server adds to E2B's (`cpuSeconds`,
    `memPeak`), so this one call is made here.
    """

    def __init__(self) -> None:
        self._clients: dict[bool, httpx.AsyncClient] = {}  # by whether they can speak TLS

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    async def read(self, provider: Provider, sandbox_id: str) -> Measured:
        """Return what is known; a provider that does not answer is logged, not raised."""
        base = provider.options.get("api_url") or f"https://api.{provider.options['domain']}"
        headers = {"X-API-KEY": provider.options["api_key"]}
        try:
            http = self._client(base)
            reply = await http.get(f"{base}/sandboxes/{sandbox_id}/metrics", headers=headers)
            reply.raise_for_status()
            samples = reply.json()
        except (httpx.HTTPError, ValueError) as cause:
            _log.warning("metrics_unavailable", sandbox_id=sandbox_id, cause=repr(cause))
            return Measured()
        return _summary(samples if isinstance(samples, list) else [])

    def _client(self, base: str) -> httpx.AsyncClient:
        # Reading the certificates takes longer than an execution here, so only where needed.
        secure = base.startswith("https:")
        if secure not in self._clients:
            self._clients[secure] = httpx.AsyncClient(verify=secure, timeout=_REQUEST_TIMEOUT_S)
        return self._clients[secure]


def _summary(samples: list[Any]) -> Measured:
    valid = [sample for sample in samples if isinstance(sample, dict)]
    memory = [_number(sample.get("memPeak")) or _number(sample.get("memUsed")) for sample in valid]
    return Measured(
        _most(_number(sample.get("cpuSeconds")) for sample in valid),
        _most_bytes(memory),
        _most_bytes(_number(sample.get("diskUsed")) for sample in valid),
    )


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _most_bytes(values: Iterable[float | None]) -> int | None:
    most = _most(values)
    return None if most is None else int(most)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return None
    return value
