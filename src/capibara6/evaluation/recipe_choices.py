"""How often a recipe, its columns and its parameters are chosen right, by policy and language."""

import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from capibara6.codegen.choosing.chooser import ModelChooser
from capibara6.codegen.choosing.measurements import BOTH, Compared
from capibara6.codegen.choosing.picking import UnusableChoiceError
from capibara6.codegen.choosing.policies import ModelAdviser
from capibara6.codegen.recipes.asked import Asked, read_question
from capibara6.codegen.recipes.choice import Choice
from capibara6.codegen.recipes.choices import choose
from capibara6.codegen.recipes.writer import TIER, filters
from capibara6.domain.requests import Request
from capibara6.errors import NoRecipeError
from capibara6.evaluation.recipe_questions import (
    NONE,
    Answer,
    RecipeQuestion,
    Verdict,
    judge,
)
from capibara6.routing import RuleRouter

ALL_LANGUAGES: Final = "all"
FAILED: Final = "failed"  # stands for a recipe where a model gave no choice

Policy = Callable[[Request], Awaitable[Answer]]
Progress = Callable[[int, int], None]  # questions answered, questions


@dataclass(frozen=True, slots=True)
class Answered:
    """One question as a policy answered it."""

    question: RecipeQuestion
    answer: Answer
    verdict: Verdict
    seconds: float


@dataclass(frozen=True, slots=True)
class Score:
    """A policy on the questions of one language: how many it got right."""

    policy: str
    language: str
    questions: int
    recipe: int
    columns: int  # recipe and columns
    whole: int  # recipe, columns and parameters
    ms_median: float


async def by_rules(request: Request) -> Answer:
    """What the platform answers without any model."""
    route = RuleRouter().route(request, (TIER,))
    try:
        return described(*choose(request, route))
    except NoRecipeError:
        return {"recipe": NONE}


def by_model(chooser: ModelChooser) -> Policy:
    """What a model chooses alone; an answer that is no choice is none of the recipes."""

    async def answer(request: Request) -> Answer:
        asked = read_question(request, RuleRouter().route(request, (TIER,)).language)
        if asked is None or not asked.columns:
            return await by_rules(request)
        try:
            choice = (await chooser.pick(asked)).choice
        except UnusableChoiceError as problem:
            return {"recipe": FAILED, "problem": str(problem)}
        return described(asked, choice) if choice else {"recipe": NONE}

    return answer


def by_both(chooser: ModelChooser) -> Policy:
    """What the platform answers with a model that is asked where the rules are not sure."""
    adviser = ModelAdviser(chooser, BOTH)

    async def answer(request: Request) -> Answer:
        try:
            chosen = await adviser.choose(request, RuleRouter().route(request, (TIER,)))
        except NoRecipeError:
            return {"recipe": NONE}
        return described(chosen.asked, chosen.choice)

    return answer


def compared(rules: Sequence[Answered], others: Sequence[Answered]) -> Compared:
    """A policy beside the rules, on the same questions in the same order."""
    pairs = [
        (one.verdict.whole, other.verdict.whole) for one, other in zip(rules, others, strict=True)
    ]
    right = sum(other for _, other in pairs)
    return Compared(right, pairs.count((False, True)), pairs.count((True, False)))


def described(asked: Asked, choice: Choice) -> Answer:
    """A choice as a label would name it."""
    rows = [list(condition) for condition in filters(asked, choice)]
    return {"recipe": choice.recipe, **choice.parameters, "FILTERS": rows}


async def answered(
    questions: Sequence[RecipeQuestion], policy: Policy, progress: Progress | None = None
) -> list[Answered]:
    """Put every question to a policy, one after the other."""
    found: list[Answered] = []
    for number, question in enumerate(questions):
        started = time.perf_counter()
        answer = await policy(question.request(number))
        seconds = time.perf_counter() - started
        found.append(Answered(question, answer, judge(question, answer), seconds))
        if progress:
            progress(number + 1, len(questions))
    return found


def scores(policy: str, results: Sequence[Answered]) -> list[Score]:
    """Count by language, all of them last."""
    languages = sorted({result.question.language for result in results})
    return [
        _score(policy, name, [r for r in results if name in (ALL_LANGUAGES, r.question.language)])
        for name in (*languages, ALL_LANGUAGES)
    ]


def _score(policy: str, language: str, results: Sequence[Answered]) -> Score:
    verdicts = [result.verdict for result in results]
    return Score(
        policy,
        language,
        len(results),
        sum(verdict.recipe for verdict in verdicts),
        sum(verdict.columns for verdict in verdicts),
        sum(verdict.whole for verdict in verdicts),
        round(1000 * statistics.median(result.seconds for result in results), 2),
    )
