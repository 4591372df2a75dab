"""Routes about the platform itself: templates, figures, health, metrics."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from capibara6 import __version__
from capibara6.api.services import Parts
from capibara6.store import Tally
from capibara6.views import view

router = APIRouter(tags=["platform"])


@router.get("/api/e2b/templates")
async def templates(parts: Parts) -> dict[str, Any]:
    """The presets a request may name, with their limits."""
    items = [
        {
            "name": name,
            "timeout_s": template.timeout_s,
            "memory_mib": template.memory_mib,
            "cpu_percent": template.cpu_percent,
        }
        for name, template in parts.settings.templates.items()
    ]
    return {"items": items, "provider": parts.settings.provider}


@router.get("/api/e2b/stats")
async def stats(parts: Parts) -> dict[str, Any]:
    """All executions in figures."""
    found = await parts.store.executions.stats()
    return {
        **view(found),
        "overall": _tally(found.overall),
        "by_template": {name: _tally(tally) for name, tally in found.by_template.items()},
        "by_tier": {name: _tally(tally) for name, tally in found.by_tier.items()},
    }


@router.get("/api/health")
async def health(parts: Parts) -> dict[str, Any]:
    """Whether the platform answers and its database too; needs no key."""
    await parts.store.runs.list(limit=1)
    return {
        "status": "ok",
        "version": __version__,
        "provider": parts.settings.provider,
        "degraded": parts.degraded,
    }


@router.get("/metrics", response_class=Response)
async def metrics(parts: Parts) -> Response:
    """Metrics in Prometheus's text format."""
    return Response(parts.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _tally(tally: Tally) -> dict[str, Any]:
    return {**view(tally), "success_rate": tally.success_rate}
