"""`capibara6 eval recipes`: whether rules, and a model, choose recipes right, as a table."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from capibara6.cli import exit_codes
from capibara6.cli.terminal import messages, output, print_json, visible
from capibara6.codegen.choosing.chooser import ModelChooser
from capibara6.codegen.choosing.measurements import (
    BOTH,
    FILE_NAME,
    MODEL,
    RULES,
    Measurement,
    MeasurementFile,
    key_of,
    rules_digest,
)
from capibara6.codegen.tiers import ModelTier
from capibara6.config import Settings, load_settings
from capibara6.errors import UnknownTierError
from capibara6.evaluation.recipe_choices import (
    Answered,
    Policy,
    Score,
    answered,
    by_both,
    by_model,
    by_rules,
    compared,
    scores,
)
from capibara6.evaluation.recipe_questions import read_recipe_questions
from capibara6.local_models.opening import opened_models
from capibara6.model_tiers import LocalTiers, available_models
from capibara6.supervision.server import unnoticed

Results = Mapping[str, Sequence[Answered]]  # by policy


async def recipes(file: Path, tier: str | None, *, keep: bool, wrong: bool, as_json: bool) -> int:
    """Choose for every question of a file; returns the exit status.

    Raises:
        UnknownTierError: no tier of that name answers.
        DataFileError: the file holds something else.
    """
    questions = await asyncio.to_thread(read_recipe_questions, file)
    settings = load_settings()
    async with opened_models(settings.home, unnoticed) as local:
        model = await _tier(tier, settings, local) if tier else None
        results = {
            name: await answered(questions, policy, _Told(name))
            for name, policy in _policies(model).items()
        }
    measurement = _measurement(model, results) if model else None
    if model and measurement and keep:
        path = settings.home / FILE_NAME
        await asyncio.to_thread(MeasurementFile(path).keep, key_of(model), measurement)
    if as_json:
        print_json(_document(results, measurement))
        return exit_codes.OK
    _print_scores([score for name, found in results.items() for score in scores(name, found)])
    if measurement:
        _print_measurement(measurement, kept=keep)
    if wrong:
        _print_wrong(results)
    return exit_codes.OK


async def _tier(name: str, settings: Settings, local: LocalTiers) -> ModelTier:
    found = (await available_models(settings, local)).usable
    tier = next((one for one in found if one.name == name), None)
    if tier is None:
        raise UnknownTierError(name, [one.name for one in found])
    return tier


def _policies(tier: ModelTier | None) -> dict[str, Policy]:
    if tier is None:
        return {RULES: by_rules}
    chooser = ModelChooser(tier)
    return {RULES: by_rules, MODEL: by_model(chooser), BOTH: by_both(chooser)}


class _Told:
    """Says how far a policy is, where somebody watches."""

    def __init__(self, policy: str) -> None:
        self._policy = policy

    def __call__(self, done: int, total: int) -> None:
        if messages().is_terminal:
            end = "\n" if done == total else "\r"
            messages().print(f"{self._policy}: {done} of {total}", end=end, markup=False)


def _measurement(tier: ModelTier, results: Results) -> Measurement:
    rules = results[RULES]
    return Measurement(
        model=tier.model,
        rules_digest=rules_digest(),
        questions=len(rules),
        rules_right=sum(result.verdict.whole for result in rules),
        compared={name: compared(rules, results[name]) for name in (MODEL, BOTH)},
    )


def _document(results: Results, measurement: Measurement | None) -> dict[str, object]:
    found = [asdict(score) for name, part in results.items() for score in scores(name, part)]
    document: dict[str, object] = {
        "scores": found,
        "wrong": [
            {"policy": name, **_wrong(result)}
            for name, part in results.items()
            for result in part
            if not result.verdict.whole
        ],
    }
    if measurement:
        document |= {"measurement": asdict(measurement), "chooses": measurement.policy()}
    return document


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


def _print_measurement(found: Measurement, *, kept: bool) -> None:
    for name, other in found.compared.items():
        text = f"{name}: right where the rules are wrong {other.gained}, the reverse {other.lost}"
        output().print(text, markup=False, soft_wrap=True)
    saying = "from now on" if kept else "it would be so with --keep"
    text = f"Recipes are chosen by: {found.policy()} ({saying}, with {visible(found.model)})"
    output().print(text, markup=False, soft_wrap=True)


def _wrong(result: Answered) -> dict[str, object]:
    return {
        "question": result.question.question,
        "data": result.question.data.name,
        "chosen": dict(result.answer),
        "accept": list(result.question.accepted),
    }


def _print_wrong(results: Results) -> None:
    for name, part in results.items():
        for result in (one for one in part if not one.verdict.whole):
            chosen = visible(str(result.answer["recipe"]))
            rights = ", ".join(dict.fromkeys(str(a["recipe"]) for a in result.question.accepted))
            fault = ", with other parameters" if result.verdict.recipe else ""
            asked = visible(result.question.question)
            text = f"{name}: {chosen} for {visible(rights)}{fault}: {asked}"
            output().print(text, markup=False, soft_wrap=True)
