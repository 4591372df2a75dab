"""`capibara6 router …`: shows, exports, imports and resets the outcomes the router learns from."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from capibara6.cli import exit_codes
from capibara6.cli.stored import stored, tell, write_lines
from capibara6.cli.terminal import output, print_json, visible
from capibara6.config import Settings, load_settings
from capibara6.domain.requests import Request
from capibara6.evaluation.outcomes import parse_outcomes
from capibara6.evaluation.records import LineError, read_lines
from capibara6.routing.arms import arms
from capibara6.routing.features import shortened
from capibara6.routing.learner import Learner
from capibara6.routing.prior import prior
from capibara6.routing.scoring import read
from capibara6.store import Store, TierOutcome
from capibara6.store.tier_outcomes import KEPT_MAX


async def show(question: str | None, *, as_json: bool) -> int:
    """Tell what there is for each tier, and what is expected of it on a question."""
    settings = load_settings()
    async with stored(settings) as store:
        found = [outcome for _, outcome in await store.outcomes.after(0, KEPT_MAX)]
        tiers = _summary(settings, found)
        if question is not None:
            await _add_beliefs(tiers, settings, store, question)
    dial = settings.router
    if as_json:
        print_json({"learning": dial.learning, "quality": dial.quality, "tiers": tiers})
        return exit_codes.OK
    console = output()
    console.print(f"learning {dial.learning}, quality {dial.quality:g}", markup=False)
    table = Table(box=None)
    for name in ("tier", *next(iter(tiers.values()), {})):
        table.add_column(name)
    for tier, values in tiers.items():
        table.add_row(visible(tier), *(_cell(value) for value in values.values()))
    console.print(table)
    return exit_codes.OK


async def export(file: Path, *, as_json: bool) -> int:
    """Write one line an outcome, in the form that `eval router` reads."""
    async with stored(load_settings()) as store:
        found = await store.outcomes.after(0, KEPT_MAX)
    await write_lines(file, (_line(outcome) for _, outcome in found))
    return tell({"exported": len(found)}, as_json=as_json)


async def import_(file: Path, *, as_json: bool) -> int:
    """Add what is not known yet."""
    groups = await asyncio.to_thread(read_lines, file, _outcomes)
    found = [outcome for group in groups for outcome in group]
    async with stored(load_settings()) as store:
        new = await store.outcomes.add(found)
    return tell({"imported": new, "known": len(found) - new}, as_json=as_json)


async def reset(*, as_json: bool) -> int:
    """Forget everything."""
    async with stored(load_settings()) as store:
        count = await store.outcomes.clear()
    return tell({"forgotten": count}, as_json=as_json)


def _summary(settings: Settings, found: list[TierOutcome]) -> dict[str, dict[str, Any]]:
    names = dict.fromkeys((*_arms(settings), *(outcome.tier for outcome in found)))
    tiers: dict[str, dict[str, Any]] = {}
    for name in names:
        own = [outcome for outcome in found if outcome.tier == name]
        tiers[name] = {
            "outcomes": len(own),
            "success": sum(outcome.success for outcome in own) / len(own) if own else None,
            "cost_usd": sum(outcome.cost_usd for outcome in own) / len(own) if own else None,
            "last": own[-1].at.isoformat(timespec="seconds") if own else None,
        }
    return tiers


def _arms(settings: Settings) -> dict[str, float]:
    return arms(settings.prices, {name: tier.candidates for name, tier in settings.tiers.items()})


async def _add_beliefs(
    tiers: dict[str, dict[str, Any]], settings: Settings, store: Store, question: str
) -> None:
    models = {name: tier.model for name, tier in settings.tiers.items()}
    measured = prior(await store.samples.measured(list(models)), models)
    prices = _arms(settings)
    learner = Learner(store.outcomes, prices, measured)
    await learner.refresh()
    task = read(Request("0" * 32, question)).task
    for tier, belief in learner.beliefs(question, task, list(prices)).items():
        tiers[tier]["expected"] = belief.mean
        tiers[tier]["deviation"] = belief.deviation
    for values in tiers.values():
        values.setdefault("expected", None)  # no longer configured
        values.setdefault("deviation", None)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _line(outcome: TierOutcome) -> dict[str, Any]:
    achieved = {"success": outcome.success, "cost": outcome.cost_usd, "id": outcome.id}
    return {
        "prompt": outcome.question,
        "task": outcome.task,
        "at": outcome.at.isoformat(),
        "outcomes": {outcome.tier: achieved},
    }


def _outcomes(value: Mapping[str, Any]) -> list[TierOutcome]:
    parsed = parse_outcomes(value)
    at = _time(value.get("at"))
    return [
        TierOutcome(
            id=_id(value, tier),
            at=at,
            question=shortened(parsed.prompt),
            task=parsed.task,
            tier=tier,
            success=outcome.success,
            cost_usd=outcome.cost,
        )
        for tier, outcome in parsed.outcomes.items()
    ]


def _id(value: Mapping[str, Any], tier: str) -> str:
    """As exported; otherwise out of the line itself, so that a second import adds nothing."""
    found = value["outcomes"][tier].get("id")
    if found is None:
        return uuid.uuid5(uuid.NAMESPACE_OID, json.dumps([value, tier], sort_keys=True)).hex
    try:
        return uuid.UUID(hex=found).hex
    except (ValueError, AttributeError, TypeError):
        raise LineError(f"'id' of {tier!r} is {found!r}, not 32 hex digits") from None


def _time(value: Any) -> datetime:
    if value is None:
        return datetime.now(UTC)
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise LineError(f"'at' is {value!r}, not a time such as 2026-01-31T12:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
