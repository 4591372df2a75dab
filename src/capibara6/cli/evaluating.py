"""`capibara6 eval …`: runs an evaluation and prints what came out."""

import asyncio
from pathlib import Path
from typing import Any

from rich.table import Table

from capibara6.cli import exit_codes
from capibara6.cli.terminal import output, print_json, visible
from capibara6.evaluation.curves import Curve, Interval
from capibara6.evaluation.outcomes import read_outcomes
from capibara6.evaluation.router import RouterScore, cross_validate


async def router(file: Path, folds: int, quality: float, seed: int, *, as_json: bool) -> int:
    """Cross-validate the router on a file; returns the exit status."""
    found = await asyncio.to_thread(read_outcomes, file)
    score = await asyncio.to_thread(cross_validate, found, folds, quality, seed)
    if as_json:
        print_json({**_values(score), "folds": folds})
    else:
        _print_score(score, f"{folds}-fold cross-validation")
    return exit_codes.OK


def _values(score: RouterScore) -> dict[str, Any]:
    trade, hindsight = score.curve, score.baselines
    return {
        "apgr": trade and trade.apgr.value,
        "cpt50": trade and trade.cpt50.value,
        "cpt80": trade and trade.cpt80.value,
        "intervals": trade and _intervals(trade),
        "reward": score.reward,
        "regret": score.regret,
        "best_single": hindsight.best_single,
        "best_single_tier": hindsight.best_single_tier,
        "best_per_task": hindsight.best_per_task,
        "oracle": hindsight.oracle,
        "success": score.success,
        "cost": score.cost,
        "quality": score.quality,
        "prompts": score.prompts,
        "chosen": dict(score.chosen),
    }


def _intervals(trade: Curve) -> dict[str, list[float]]:
    named = {"apgr": trade.apgr, "cpt50": trade.cpt50, "cpt80": trade.cpt80}
    return {name: [interval.low, interval.high] for name, interval in named.items()}


def _print_score(score: RouterScore, title: str) -> None:
    console = output()
    tiers = ", ".join(f"{visible(tier)} {count}" for tier, count in score.chosen.items())
    console.print(
        f"{title}: {score.prompts} prompts, quality {score.quality:g}", markup=False, soft_wrap=True
    )
    table = Table(box=None, show_header=False)
    for name, value in _lines(score):
        table.add_row(name, value)
    console.print(table)
    console.print(f"Chosen, cheapest first: {tiers}", markup=False, soft_wrap=True)


def _lines(score: RouterScore) -> list[tuple[str, str]]:
    hindsight = score.baselines
    lines = []
    if score.curve:
        lines += [
            ("APGR", _told(score.curve.apgr, "")),
            ("CPT50", _told(score.curve.cpt50, " %")),
            ("CPT80", _told(score.curve.cpt80, " %")),
        ]
    elif len(score.tiers) == 2:
        lines.append(("APGR", "none: the dearer tier gains nothing here"))
    return [
        *lines,
        ("reward", f"{score.reward:.4f}"),
        ("success", f"{score.success:.4f}"),
        ("cost", f"{score.cost:.6g}"),
        ("always the best single", f"{hindsight.best_single:.4f} ({hindsight.best_single_tier})"),
        ("best for each task", f"{hindsight.best_per_task:.4f}"),
        ("oracle", f"{hindsight.oracle:.4f}"),
        ("regret", f"{score.regret:.4f}"),
    ]


def _told(interval: Interval, unit: str) -> str:
    digits = 1 if unit else 3
    value, low, high = (f"{n:.{digits}f}" for n in (interval.value, interval.low, interval.high))
    return f"{value}{unit} (95 %: {low} to {high})"
