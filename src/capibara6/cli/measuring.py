"""`capibara6 eval model`: measures models on a suite, and prints what came out."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from capibara6.cli import exit_codes
from capibara6.cli.measured_tables import show_failures, show_scores
from capibara6.cli.measuring_progress import following
from capibara6.cli.opening import opened
from capibara6.cli.terminal import environment_language, messages, print_json, visible
from capibara6.config import Settings, load_settings
from capibara6.domain.playbook import Advice
from capibara6.domain.requests import Request, Route
from capibara6.errors import CapibaraError, DataFileError, RequestError
from capibara6.evaluation.models.author import ModelAuthor
from capibara6.evaluation.models.examiner import Examiner
from capibara6.evaluation.models.measuring import (
    REFERENCE,
    Author,
    Measurement,
    Reference,
    measure,
    setup_of,
)
from capibara6.evaluation.models.plot import svg
from capibara6.evaluation.models.reasons import reasons
from capibara6.evaluation.models.results import Solving, TaskResult
from capibara6.evaluation.models.scores import ModelScore, as_json, score
from capibara6.evaluation.models.selection import select
from capibara6.evaluation.models.suites import Suite, read_suite
from capibara6.main import Platform, model_tier, profile

TIMEOUT_S: Final = 60.0  # of a program with its tests


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for on the command line."""

    names: tuple[str, ...]
    suite: Path
    candidates: int = 1
    repairs: int = 0
    limit: int | None = None
    tokens_max: int | None = None
    reference: bool = False
    playbook: bool = False
    again: bool = False
    timeout_s: float = TIMEOUT_S
    template: str | None = None
    sandboxes: int | None = None
    plot: Path | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """One model's score; `ended` says why it is not of the whole suite."""

    score: ModelScore | None
    results: tuple[TaskResult, ...]
    name: str
    ended: CapibaraError | None = None


async def model(order: Order, *, as_json: bool) -> int:
    """Measure all models of the order; returns the exit status."""
    _check(order)
    settings = load_settings()
    suite = (await asyncio.to_thread(read_suite, order.suite)).first(order.limit)
    async with opened(settings, environment_language()) as platform:
        authors = _authors(order, platform, suite)
        found = [await _measured(order, suite, author, platform) for author in authors]
    if order.plot:
        await asyncio.to_thread(_draw, order.plot, suite, found)
    if as_json:
        print_json(_document(suite, found))
    else:
        _show(suite, found)
    endings = [one.ended for one in found if one.ended]
    return exit_codes.of_error(type(endings[0])) if endings else exit_codes.OK


def _check(order: Order) -> None:
    """Refuse at once what could only fail at the end.

    Raises:
        RequestError: no model is named.
        DataFileError: the picture cannot be written.
    """
    if not (order.names or order.reference):
        raise RequestError("Name a model tier, or write --reference for the suite's own solutions.")
    if order.plot and not order.plot.parent.is_dir():
        raise DataFileError(str(order.plot), "its folder does not exist", "Name another.")


def _authors(order: Order, platform: Platform, suite: Suite) -> list[Author]:
    """The models by their names, each once.

    Raises:
        UnknownTierError: a name is not configured.
        DataFileError: the suite has no solutions of its own, and they are asked for.
    """
    authors: list[Author] = []
    if order.reference or REFERENCE in order.names:
        if not any(task.reference for task in suite.tasks):
            remedy = "Give its tasks a canonical_solution or reference."
            raise DataFileError(str(order.suite), "has no solutions of its own", remedy)
        authors.append(Reference())
    names = [name for name in dict.fromkeys(order.names) if name != REFERENCE]
    return [*authors, *(_model_author(name, order, platform) for name in names)]


def _model_author(name: str, order: Order, platform: Platform) -> ModelAuthor:
    tier, memory = model_tier(platform, name), platform.memory
    if order.tokens_max is not None:
        tier = replace(tier, tokens_max=min(order.tokens_max, tier.tokens_max))

    async def advise(request: Request, route: Route) -> Sequence[Advice]:
        return await memory.recall(request, route, tier.name) if memory else ()

    return ModelAuthor(tier, profile, advise)


async def _measured(order: Order, suite: Suite, author: Author, platform: Platform) -> Measured:
    settings = platform.settings
    template = order.template or _roomiest(settings)
    setup = setup_of(author, template, order.timeout_s, settings.provider)
    if order.again:
        await platform.store.samples.forget(setup)
    examiner = Examiner(platform.executor, template, order.timeout_s)
    sandboxes = order.sandboxes or os.cpu_count() or 1
    solving = Solving(order.candidates, order.repairs, order.playbook, select)
    ended: CapibaraError | None = None
    with following(author.tier, len(suite.tasks)) as notify:
        measurement = Measurement(
            suite,
            author,
            examiner,
            platform.store.samples,
            setup,
            asyncio.Semaphore(sandboxes),
            notify,
        )
        try:
            await measure(measurement, solving.solve, 2 * sandboxes)
        except CapibaraError as cause:
            ended = cause
    if ended:
        _tell_ended(author.tier, len(solving.results), len(suite.tasks), ended)
    results = tuple(solving.results.values())
    found = score(author.tier, author.model, suite.name, results) if results else None
    return Measured(found, results, author.tier, ended)


def _roomiest(settings: Settings) -> str:
    """The preset with the most memory and processor: a suite measures programs, not limits."""
    presets = settings.templates
    return max(presets, key=lambda name: (presets[name].memory_mib, presets[name].cpu_percent))


def _tell_ended(tier: str, done: int, total: int, cause: CapibaraError) -> None:
    text = f"{tier}: ended after {done} of {total} tasks: {cause} The same command goes on there."
    messages().print(visible(text), style="red", markup=False, soft_wrap=True)


def _document(suite: Suite, found: list[Measured]) -> dict[str, Any]:
    models: dict[str, Any] = {}
    for one in found:
        models[one.name] = as_json(one.score) if one.score else {"tasks": 0}
        if one.ended:
            models[one.name]["error"] = {"code": one.ended.code, "message": str(one.ended)}
        if one.name == REFERENCE:
            models[one.name]["reasons"] = _reasons(one)
    return {"suite": suite.name, "tasks": len(suite.tasks), "models": models}


def _draw(file: Path, suite: Suite, found: list[Measured]) -> None:
    picture = svg(f"{suite.name}: tasks solved", [one.score for one in found if one.score])
    try:
        file.write_text(picture, encoding="utf-8")
    except OSError as cause:
        problem = f"cannot be written ({cause.strerror})"
        raise DataFileError(str(file), problem, "Name another.") from None


def _reasons(one: Measured) -> dict[str, list[str]]:
    return reasons(result.kept for result in one.results if not result.kept.passed)


def _show(suite: Suite, found: list[Measured]) -> None:
    scores = [one.score for one in found if one.score]
    show_scores(f"{suite.name}: {len(suite.tasks)} tasks", scores)
    for one in found:
        if one.score and one.score.failures:
            show_failures(one.score, _reasons(one))
