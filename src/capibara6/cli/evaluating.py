"""`capibara6 eval …`: runs an evaluation and prints what came out."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from capibara6.cli import exit_codes
from capibara6.cli.terminal import output, print_json, visible
from capibara6.evaluation.curves import Curve, Interval
from capibara6.evaluation.limits import as_requested, read_trace, replay
from capibara6.evaluation.online import OnlineScore, run_online
from capibara6.evaluation.outcomes import read_outcomes
from capibara6.evaluation.router import RouterScore, cross_validate
from capibara6.evaluation.tasks import Understood, accuracy, read_task_prompts, understand


async def router(file: Path, folds: int, quality: float, seed: int, *, as_json: bool) -> int:
    """Cross-validate the router on a file; returns the exit status."""
    found = await asyncio.to_thread(read_outcomes, file)
    score = await asyncio.to_thread(cross_validate, found, folds, quality, seed)
    if as_json:
        print_json({**_values(score), "folds": folds})
    else:
        _print_score(score, f"{folds}-fold cross-validation")
    return exit_codes.OK


async def online(file: Path, quality: float, seed: int, *, as_json: bool) -> int:
    """Let the router learn its way through a file; returns the exit status."""
    found = await asyncio.to_thread(read_outcomes, file)
    result = await asyncio.to_thread(run_online, found, quality, seed)
    if as_json:
        points = [asdict(point) for point in result.points]
        print_json({**_values(result.score), "curve": points})
    else:
        _print_score(result.score, "Online")
        _print_points(result)
    return exit_codes.OK


async def tasks(file: Path, *, as_json: bool) -> int:
    """Ask the router for the task of every prompt of a file; returns the exit status."""
    results = await asyncio.to_thread(lambda: understand(read_task_prompts(file)))
    wrong = [result for result in results if not result.right]
    shares = accuracy(results)
    if as_json:
        print_json(
            {
                "accuracy": shares,
                "prompts": len(results),
                "wrong": [{**asdict(r.prompt), "found": r.found} for r in wrong],
            }
        )
    else:
        _print_tasks(shares, results, wrong)
    return exit_codes.OK


async def limits(file: Path, *, as_json: bool) -> int:
    """Replay a trace under recommended limits; returns the exit status."""
    trace = await asyncio.to_thread(read_trace, file)
    score = await asyncio.to_thread(replay, trace)
    static = as_requested(trace)
    if as_json:
        print_json({**asdict(score), "requested": asdict(static)})
        return exit_codes.OK
    for name, found in (("recommended", score), ("as requested", static)):
        text = f"{name:<13} kills {found.kills_percent:.2f} %  waste {found.waste_percent:.1f} %"
        output().print(text, markup=False)
    return exit_codes.OK


def _print_tasks(
    shares: dict[str, float], results: list[Understood], wrong: list[Understood]
) -> None:
    console = output()
    for language, share in shares.items():
        count = sum(result.prompt.language == language for result in results)
        console.print(f"{visible(language)}  {share:6.1%} of {count}", markup=False)
    for result in wrong:
        prompt = visible(" ".join(result.prompt.prompt.split()))[:100]
        text = f"{result.prompt.task} taken for {result.found}: {prompt}"
        console.print(text, markup=False, soft_wrap=True)


def _print_points(result: OnlineScore) -> None:
    table = Table(box=None)
    for name in ("prompts", "reward so far", "best single", "oracle"):
        table.add_column(name, justify="right")
    for point in result.points:
        values = (point.reward, point.best_single, point.oracle)
        table.add_row(str(point.prompts), *(f"{value:.4f}" for value in values))
    output().print(table)


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
