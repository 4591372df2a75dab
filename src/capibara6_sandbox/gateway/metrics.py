"""What a sandbox uses, in E2B's form and with the peak that the platform's limits need."""

from datetime import datetime
from typing import Any, Final

from starlette.datastructures import QueryParams

from capibara6_sandbox.errors import BadRequestError
from capibara6_sandbox.gateway.descriptions import timestamp
from capibara6_sandbox.host.sandbox import Sandbox

_SAMPLE_S: Final = 5  # how far from its moment a sample still stands for it, as in E2B's cloud


def samples(sandbox: Sandbox, query: QueryParams, now: datetime) -> list[dict[str, Any]]:
    """Return the one sample there is, that of now, if the query's interval asks for it.

    Raises:
        BadRequestError: a bound of the interval is no time.
    """
    usage = sandbox.usage()
    if not _asks_for_now(query, now.timestamp()) or usage is None:
        return []
    limits = sandbox.template.limits
    lived_s = max(0.001, (now - sandbox.started_at).total_seconds())
    sample = {
        "timestamp": timestamp(now),
        "timestampUnix": int(now.timestamp()),
        "cpuCount": max(1, round(limits.cpus)),
        "cpuUsedPct": round(100 * usage.cpu_s / lived_s, 2),
        "memUsed": usage.memory_bytes,
        "memTotal": limits.memory_bytes,
        "memCache": 0,
        "diskUsed": sandbox.disk_used_bytes(),
        "diskTotal": limits.disk_bytes,
        "cpuSeconds": usage.cpu_s,
        "memPeak": usage.memory_peak_bytes,
        "oomKills": usage.oom_kills,
    }
    return [sample]


def _asks_for_now(query: QueryParams, now_s: float) -> bool:
    """Whether an interval (Unix seconds) touches the present."""
    bounds = {}
    for name in ("start", "end"):
        text = query.get(name, str(int(now_s)))
        if not text.isdecimal():
            raise BadRequestError(f"{name} must be a time in Unix seconds, not {text!r}")
        bounds[name] = int(text)
    return bounds["start"] - _SAMPLE_S <= now_s <= bounds["end"] + _SAMPLE_S
