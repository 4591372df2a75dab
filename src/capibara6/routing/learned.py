"""The router that follows rules at first, and more and more what it has learnt of the tiers."""

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from capibara6.domain.requests import Request, Route
from capibara6.routing.arms import arm, arms_of, tier_of
from capibara6.routing.bandit import Belief, draw
from capibara6.routing.cascade import can_pay, escalation, shares_of_cost, worths
from capibara6.routing.learner import Learner
from capibara6.routing.reasons import reason
from capibara6.routing.router import RECIPE, RuleRouter

log = logging.getLogger(__name__)

# Before any outcome the rules alone decide; after so many their say is worth a quarter of a
# success, and it fades with the square.
RULES_OUTCOMES: Final = 10
_TRIALS_FROM_OUTCOMES: Final = 20
MEASURED_OUTCOMES: Final = 10  # so many is a measurement of the tiers worth against the rules


class LearningRouter:
    """Rules decide task and template, and whether a recipe fits; learning, which model to ask.

    A route draws from what is believed with a source that the request's id seeds: the same request
    after the same outcomes gets the same route.

    Args:
        rules: the router for all the rest.
        learner: what was learnt.
        prices: of the model tiers and their arms (`routing.arms`), cheapest first.
        quality: the dial: 1 counts success alone, 0 cost alone.
    """

    def __init__(
        self, rules: RuleRouter, learner: Learner, prices: Mapping[str, float], quality: float
    ) -> None:
        self._rules = rules
        self._learner = learner
        self._costs = shares_of_cost(prices)
        self._arms = tuple(prices)
        self._most = {tier: count for tier, count in map(tier_of, prices) if count > 1}
        self._quality = quality

    def route(self, request: Request, tiers: Sequence[str]) -> Route:
        """Choose among `tiers` (cheapest first, "recipe" among them).

        Raises:
            UnknownTierError: as `RuleRouter.route`.
        """
        route = self._rules.route(request, tiers)
        models = self._models(request, tiers)
        chosen = request.tier is not None or route.tier not in models
        if chosen or len(models) < 2 or not self._learner.knows(models):
            return route
        try:
            return self._learned(request, route, models)
        except Exception:
            # What was learnt is advice: a fault in it must not cost anybody an answer.
            log.exception("the router's learner failed; run %s is routed by rules", request.id)
            failed = reason("learner_failed", route.language)
            return replace(route, reasons=(*route.reasons, failed))

    def _models(self, request: Request, tiers: Sequence[str]) -> list[str]:
        """What there is to choose among: arms, or tiers when the user has chosen how to search."""
        models = [tier for tier in tiers if tier != RECIPE]
        if request.candidates is not None or not self._learner.knows(models):
            return models
        return arms_of(models, self._arms)

    def _learned(self, request: Request, route: Route, models: list[str]) -> Route:
        beliefs = self._learner.beliefs(request.question, route.task, models)
        outcomes = sum(belief.outcomes for belief in beliefs.values())
        if not outcomes and not self._learner.has_measured(models):
            return route
        means = {tier: belief.mean for tier, belief in beliefs.items()}
        trial = self._learner.untried(models) if outcomes >= _TRIALS_FROM_OUTCOMES else None
        if trial and not can_pay(trial, means, self._costs, models, self._quality):
            trial = None
        ruled = arm(route.tier, self._most.get(route.tier, 1))
        ruled = ruled if ruled in models else route.tier
        start = trial or self._start(request, ruled, models, beliefs)
        further = escalation(means, self._costs, models, start, self._quality)
        why = "learned_trial" if trial else "learned" if outcomes else "learned_measured"
        told = reason(why, route.language, tier=start, outcomes=outcomes, beliefs=_told(beliefs))
        reasons = (*route.reasons[:-1], told) if start != ruled else (*route.reasons, told)
        tier, count = tier_of(start)
        later = dict.fromkeys(tier_of(name)[0] for name in further)
        later.pop(tier, None)
        candidates = count if request.candidates is None and self._most else None
        return replace(
            route, tier=tier, reasons=reasons, escalation=tuple(later), candidates=candidates
        )

    def _start(
        self, request: Request, ruled: str, models: list[str], beliefs: Mapping[str, Belief]
    ) -> str:
        source = random.Random(request.id)  # noqa: S311 - no secret
        drawn = {tier: draw(belief, source) for tier, belief in beliefs.items()}
        worth = worths(drawn, self._costs, models, self._quality)
        outcomes = sum(belief.outcomes for belief in beliefs.values())
        outcomes += MEASURED_OUTCOMES if self._learner.has_measured(models) else 0
        worth[ruled] += (RULES_OUTCOMES / (RULES_OUTCOMES + outcomes)) ** 2
        return max(models, key=lambda tier: worth[tier])


def _told(beliefs: Mapping[str, Belief]) -> str:
    return ", ".join(
        f"{tier} {min(1.0, max(0.0, belief.mean)):.0%} ({belief.outcomes})"
        for tier, belief in beliefs.items()
    )
