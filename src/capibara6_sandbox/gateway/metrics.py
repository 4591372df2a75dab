"""What sandboxes use, now and before, in E2B's form and with the peak that limits need."""

import time
from datetime import UTC, datetime
from typing import Any, Final

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from capibara6_sandbox.errors import BadRequestError
from capibara6_sandbox.gateway.descriptions import timestamp
from capibara6_sandbox.gateway.keys import team_of
from capibara6_sandbox.gateway.life_calls import sandbox_id
from capibara6_sandbox.gateway.queries import number
from capibara6_sandbox.host.history import INTERVAL_S, Sample
from capibara6_sandbox.host.keeper import Keeper
from capibara6_sandbox.host.past_usage import Used
from capibara6_sandbox.host.sandbox import Sandbox
from capibara6_sandbox.isolation.limits import Limits

POINTS_MAX: Final = 1000  # of a reply, as in E2B's cloud
SANDBOXES_MAX: Final = 100


class MetricCalls:
    """The endpoints.

    Args:
        keeper: all sandboxes.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def routes(self) -> list[Route]:
        """Return the routes; the first is to stand before those with an id in its place."""
        return [
            Route("/sandboxes/metrics", self.newest, methods=["GET"]),
            Route("/sandboxes/{id}/metrics", self.history, methods=["GET"]),
        ]

    async def history(self, request: Request) -> Response:
        """Return what a sandbox has used in an interval, oldest first; also when it has ended."""
        name, query, now_s = sandbox_id(request), request.query_params, time.time()
        known = {sandbox.id: sandbox for sandbox in self._keeper.all(team_of(request))}
        if name in known:
            return JSONResponse(samples(known[name], query, now_s))
        theirs = self._keeper.journal.team(name) == team_of(request)
        used = self._keeper.past_usage.find(name) if theirs else None
        begin_s, until_s = _interval(query, now_s)
        # Of one that nobody knows, nothing is stored: E2B makes no other difference.
        return JSONResponse(_stored(used, begin_s, until_s) if used else [])

    async def newest(self, request: Request) -> Response:
        """Return what each of some sandboxes used last; those that are unknown are left out."""
        ids = [item for item in request.query_params.get("sandbox_ids", "").split(",") if item]
        if not ids:
            raise BadRequestError("sandbox_ids: ids of sandboxes, separated by commas, are missing")
        if len(ids) > SANDBOXES_MAX:
            text = f"Too many sandboxes requested, maximum is {SANDBOXES_MAX}"
            raise BadRequestError(text)
        known = {sandbox.id: sandbox for sandbox in self._keeper.all(team_of(request))}
        now_s = time.time()
        found = {name: _last(known[name], now_s) for name in ids if name in known}
        return JSONResponse({"sandboxes": {name: last for name, last in found.items() if last}})


def samples(sandbox: Sandbox, query: QueryParams, now_s: float) -> list[dict[str, Any]]:
    """Return what a sandbox has used in the query's interval, at last what it uses now.

    Raises:
        BadRequestError: a bound of the interval is no time, or it ends before it begins.
    """
    begin_s, until_s = _interval(query, now_s)
    found = _stored(_used(sandbox), begin_s, until_s)
    now = _now(sandbox, now_s) if begin_s - INTERVAL_S <= now_s <= until_s + INTERVAL_S else None
    return [*found, now] if now else found


def _interval(query: QueryParams, now_s: float) -> tuple[float, float]:
    start_s, end_s = number(query, "start"), number(query, "end")
    if start_s is not None and end_s is not None and start_s > end_s:
        raise BadRequestError("Invalid time range for metrics")
    # Clients send whole seconds: what they call now has begun already.
    return float(start_s or 0), now_s if end_s is None else end_s + 1.0


def _used(sandbox: Sandbox) -> Used:
    return Used(sandbox.template.limits, sandbox.history)


def _stored(used: Used, begin_s: float, until_s: float) -> list[dict[str, Any]]:
    samples = _thinned(used.history.select(begin_s, until_s))
    return [_describe(used.limits, sample) for sample in samples]


def _last(sandbox: Sandbox, now_s: float) -> dict[str, Any] | None:
    """Return what a sandbox uses now; of one that is paused, what it used last."""
    if (now := _now(sandbox, now_s)) is not None:
        return now
    kept = sandbox.history.select(0, now_s)
    return _describe(sandbox.template.limits, kept[-1]) if kept else None


def _thinned(found: list[Sample]) -> list[Sample]:
    """Return at most `POINTS_MAX` of them, evenly, the last one always."""
    step = -(-len(found) // POINTS_MAX) or 1
    return found[::-step][::-1]


def _now(sandbox: Sandbox, now_s: float) -> dict[str, Any] | None:
    usage = sandbox.usage() if sandbox.visible_state == "running" else None
    if usage is None:
        return None
    return _describe(sandbox.template.limits, sandbox.measure(usage, now_s)) | {
        "cpuSeconds": usage.cpu_s,
        "memPeak": usage.memory_peak_bytes,
        "oomKills": usage.oom_kills,
    }


def _describe(limits: Limits, sample: Sample) -> dict[str, Any]:
    processors = max(1, round(limits.cpus))
    return {
        "timestamp": timestamp(datetime.fromtimestamp(sample.at_s, UTC)),
        "timestampUnix": int(sample.at_s),
        "cpuCount": processors,
        "cpuUsedPct": round(100 * sample.cpu_share / processors, 2),
        "memUsed": sample.memory_bytes,
        "memTotal": limits.memory_bytes,
        "memCache": sample.cache_bytes,
        "diskUsed": sample.disk_bytes,
        "diskTotal": limits.disk_bytes,
    }
