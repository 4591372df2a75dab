"""Answers out of the playbook: a recipe's program in place of a model's; what casts doubt on it.

A cookbook that fails or tarries costs no run.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from capibara6 import answers
from capibara6.domain.executions import ExecutionResult
from capibara6.domain.playbook import Advice, Reused
from capibara6.domain.ports import Cookbook
from capibara6.domain.programs import Diagnosis, Failure, Program, Sampling
from capibara6.domain.requests import Request, Route
from capibara6.texts import say

FOUND_S_MAX: Final = 2.0
_UNDEFINED: Final = re.compile(r"\b(?:nan|NaN|NaT|None|inf|Empty DataFrame|Series\(\[\])")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Copyist:
    """Writes down a recipe's program; a `ProgramWriter`."""

    reused: Reused
    tier: str = answers.RECIPE
    at_once: int = 1

    async def write(
        self,
        request: Request,
        route: Route,
        failure: Failure | None = None,
        advice: Sequence[Advice] = (),
        sampling: Sampling | None = None,
    ) -> AsyncIterator[str | Program]:
        """Yield the program; there is nothing to think about."""
        yield self.reused.program


async def reused(cookbook: Cookbook | None, request: Request, route: Route) -> Reused | None:
    """The recipe that answers a request; None, logged, when it cannot be told in time.

    Who chooses a model, or asks for several programs, wants no recipe.
    """
    chosen = request.tier not in (None, answers.RECIPE) or (request.candidates or 1) > 1
    if cookbook is None or chosen:
        return None
    try:
        async with asyncio.timeout(FOUND_S_MAX):
            return await cookbook.found(request, route)
    except Exception:
        # Recipes save a model's work: a fault in them must not cost anybody an answer.
        log.exception("the playbook's recipes failed; run %s goes on without them", request.id)
        return None


def doubt(recipe: Reused, result: ExecutionResult, language: str) -> Diagnosis | None:
    """Why what a recipe printed is not to be given as the answer; None: it may be."""
    printed = result.stdout.strip()
    if recipe.same and not printed.startswith(recipe.printed):
        name = "doubt_other_answer"
    elif _UNDEFINED.search(printed) and not _UNDEFINED.search(recipe.printed):
        name = "doubt_empty"
    else:
        return None
    fields = {"id": recipe.advice.bullet_id[:8], "doubt": say(name, language)}
    cause = say("recipe_doubted_cause", language, **fields)
    return Diagnosis("tests_failed", cause, say("recipe_doubted_hint", language))
