"""Who chooses a recipe: the rules, a model, or the model where the rules are not sure.

Which of them, the measurements say; without one that shows a model to be better, rules choose.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capibara6.codegen.choosing.chooser import ModelChooser
from capibara6.codegen.choosing.measurements import (
    BOTH,
    RULES,
    Measurement,
    MeasurementFile,
    key_of,
)
from capibara6.codegen.choosing.picking import UnusableChoiceError
from capibara6.codegen.recipes import wording
from capibara6.codegen.recipes.asked import Asked, read_question
from capibara6.codegen.recipes.choice import Chosen, Picked
from capibara6.codegen.recipes.choices import CHOOSERS, choose
from capibara6.codegen.tiers import ModelTier
from capibara6.domain.requests import Request, Route
from capibara6.errors import NoRecipeError

log = logging.getLogger(__name__)

SURE_CONFIDENCE_MIN: Final = 0.5  # of the route, for the rules to choose alone


@dataclass(frozen=True, slots=True)
class ModelAdviser:
    """A model with the policy that its measurement earned; RULES says why it is not asked."""

    chooser: ModelChooser
    policy: str
    measurement: Measurement | None = None

    @property
    def asks(self) -> bool:
        """Whether the model is ever asked."""
        return self.policy != RULES

    async def choose(self, request: Request, route: Route) -> Chosen:
        """Choose by the policy. Where the model fails, the rules' choice stands, and is said so.

        Raises:
            NoRecipeError: no recipe answers, by whoever had to choose.
            DataFileError: the data file cannot be read.
        """
        reason = self._reason(route.language)
        try:
            rules = Chosen(*choose(request, route), reason=reason)
            refusal = None
        except NoRecipeError as found:
            rules, refusal = None, found
        asked = (
            None if self._rules_suffice(route, refusal) else read_question(request, route.language)
        )
        if asked is not None and asked.columns:
            try:
                picked = await self.chooser.pick(asked)
            except UnusableChoiceError as problem:
                log.warning("model %s chose no recipe: %s", self.chooser.model, problem)
                failed = wording.model_failed(route.language, self.chooser.model, str(problem))
                rules = rules and Chosen(rules.asked, rules.choice, reason=failed)
            else:
                return _chosen(asked, picked, reason)
        if rules is None:
            raise refusal or NoRecipeError(wording.not_about_data(route.language))
        return rules

    def _rules_suffice(self, route: Route, refusal: NoRecipeError | None) -> bool:
        if self.policy != BOTH:
            return self.policy == RULES
        no_recipe_wanted = route.task not in CHOOSERS
        return route.confidence >= SURE_CONFIDENCE_MIN and (refusal is None or no_recipe_wanted)

    def _reason(self, language: str) -> str:
        found = self.measurement
        if found is None:
            return ""
        shares = {name: found.right(name) / found.questions for name in (RULES, *found.compared)}
        return wording.why_chosen_by(language, self.policy, found.model, shares)


def _chosen(asked: Asked, picked: Picked, reason: str) -> Chosen:
    if picked.choice is None:
        raise NoRecipeError(wording.model_found_none(asked.language, picked.model))
    return Chosen(asked, picked.choice, picked, reason)


def best_adviser(tiers: Sequence[ModelTier], path: Path) -> ModelAdviser | None:
    """The tier whose model measured best at choosing recipes; None when none was measured.

    Args:
        tiers: those that answer now.
        path: the file of measurements.
    """
    measured = MeasurementFile(path).read()
    found = [
        ModelAdviser(ModelChooser(tier), measurement.policy(), measurement)
        for tier in tiers
        if (measurement := measured.get(key_of(tier)))
    ]
    return max(found, key=_worth, default=None)


def _worth(adviser: ModelAdviser) -> tuple[bool, float]:
    found = adviser.measurement
    share = found.right(adviser.policy) / found.questions if found and found.questions else 0.0
    return adviser.policy != RULES, share
