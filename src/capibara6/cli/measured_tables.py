"""What `capibara6 eval model` prints: tables of scores, failures by class, reasons."""

from typing import Any, Final

from rich.table import Table

from capibara6.cli.terminal import output, visible
from capibara6.evaluation.curves import Interval
from capibara6.evaluation.models.measuring import REFERENCE
from capibara6.evaluation.models.scores import ModelScore, share

_TASKS_SHOWN_MAX: Final = 8
Reasons = dict[str, list[str]]


def show_scores(title: str, scores: list[ModelScore]) -> None:
    """One line a model: tasks solved with their intervals, then what it took."""
    console = output()
    console.print(visible(title), markup=False)
    solved = _table("model", "pass@1", "selected", "any", "after repair", "with playbook")
    taken = _table(
        "model", "programs", "tokens in", "tokens out", "USD", "seconds", "programs/s", "CPU s each"
    )
    for one in scores:
        counts = (one.pass_1, one.selected, one.any, one.after_repair)
        advised = "" if one.advised is None else str(one.advised)
        name = visible(one.tier)
        solved.add_row(name, *(_counted(count, one.tasks) for count in counts), advised)
        taken.add_row(name, *_taken(one))
    console.print(solved)
    console.print(taken)
    for one in scores:
        for k, interval in one.pass_at.items():
            console.print(visible(f"{one.tier} pass@{k}, drawn: {_told(interval)}"), markup=False)


def show_failures(score: ModelScore, reasons: Reasons) -> None:
    """Of a model, its failures by class; of the reference, why they are."""
    console = output()
    console.print(visible(f"{score.tier}: failures"), markup=False)
    if score.tier == REFERENCE:
        for reason, tasks in reasons.items():
            more = " …" if len(tasks) > _TASKS_SHOWN_MAX else ""
            listed = ", ".join(tasks[:_TASKS_SHOWN_MAX])
            text = f"  {len(tasks)} x {reason}: {listed}{more}"
            console.print(visible(text), markup=False, soft_wrap=True)
        return
    for kind, (seen, unseen) in score.failures.items():
        console.print(f"  {kind}: {seen} visible, {unseen} invisible", markup=False)


def _table(first: str, *others: str) -> Table:
    table = Table(box=None)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _taken(one: ModelScore) -> list[str]:
    values: list[Any] = [one.programs, one.prompt_tokens, one.completion_tokens]
    cpu = "" if one.cpu_s is None else f"{one.cpu_s:.3f}"
    figures = [f"{one.cost_usd:.4f}", f"{one.seconds:.1f}", f"{one.programs_per_s:.2f}", cpu]
    return [*(f"{value:,}" for value in values), *figures]


def _counted(count: int, total: int) -> str:
    return f"{count}/{total} = {_told(share(count, total))}"


def _told(interval: Interval) -> str:
    value, low, high = (100 * n for n in (interval.value, interval.low, interval.high))
    return f"{value:.1f} % ({low:.1f} to {high:.1f})"
