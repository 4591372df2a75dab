"""`capibara6 eval recipes`: whether recipes are chosen right, as a table."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from capibara6.cli import exit_codes
from capibara6.cli.terminal import output, print_json, visible
from capibara6.evaluation.recipe_choices import Answered, Score, answered, by_rules, scores
from capibara6.evaluation.recipe_questions import read_recipe_questions


async def recipes(file: Path, *, wrong: bool, as_json: bool) -> int:
    """Choose for every question of a file; returns the exit status."""
    questions = await asyncio.to_thread(read_recipe_questions, file)
    results = await answered(questions, by_rules)
    table = scores("rules", results)
    if as_json:
        print_json(
            {
                "scores": [asdict(score) for score in table],
                "wrong": [_wrong(result) for result in results if not result.verdict.whole],
            }
        )
        return exit_codes.OK
    _print_scores(table)
    if wrong:
        _print_wrong(results)
    return exit_codes.OK


def _print_scores(found: Sequence[Score]) -> None:
    table = Table(box=None)
    table.add_column("chosen by")
    table.add_column("language")
    for name in ("questions", "recipe", "+ columns", "+ parameters", "ms"):
        table.add_column(name, justify="right")
    for score in found:
        shares = (score.recipe, score.columns, score.whole)
        table.add_row(
            score.policy,
            visible(score.language),
            str(score.questions),
            *(f"{right / score.questions:.1%}" for right in shares),
            f"{score.ms_median:g}",
        )
    output().print(table)


def _wrong(result: Answered) -> dict[str, object]:
    return {
        "question": result.question.question,
        "data": result.question.data.name,
        "chosen": dict(result.answer),
        "accept": list(result.question.accepted),
    }


def _print_wrong(results: Sequence[Answered]) -> None:
    for result in results:
        if not result.verdict.whole:
            chosen = visible(str(result.answer["recipe"]))
            rights = ", ".join(dict.fromkeys(str(a["recipe"]) for a in result.question.accepted))
            fault = "" if not result.verdict.recipe else ", not so"
            text = f"{visible(rights)}: {chosen}{fault}: {visible(result.question.question)}"
            output().print(text, markup=False, soft_wrap=True)
