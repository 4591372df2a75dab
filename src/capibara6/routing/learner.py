"""What the router has learnt: a bandit that has seen the stored outcomes.

The stored outcomes are the truth and can be merged, exported and reset; this is computed from the
newest of them, in the order in which they were stored, and follows what other processes add.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from capibara6.routing.bandit import Bandit, Belief, Perception, perceive
from capibara6.store import TierOutcome, TierOutcomes

LEARNT_FROM_MAX: Final = 1000  # newest outcomes, at the start
_AT_ONCE_MAX: Final = 20  # more are taken in a thread


class Learner:
    """Follows the stored outcomes.

    Args:
        outcomes: where they are stored.
        prices: of the model tiers; outcomes of others are passed over.
        measured: what tiers achieved on a suite (`prior`), before any outcome.
    """

    def __init__(
        self,
        outcomes: TierOutcomes,
        prices: Mapping[str, float],
        measured: Mapping[str, float] | None = None,
    ) -> None:
        self._outcomes = outcomes
        self._prices = prices
        self._measured = measured or {}
        self._tiers = frozenset(prices)
        self._bandit = Bandit(prices, self._measured)
        self._seq = 0

    async def refresh(self) -> None:
        """Learn from what was stored since; start anew when all that was learnt from is gone."""
        oldest = await self._outcomes.oldest()
        if self._seq and (oldest is None or oldest > self._seq):
            self._bandit, self._seq = Bandit(self._prices, self._measured), 0
        found = await self._outcomes.after(self._seq, LEARNT_FROM_MAX)
        if not found:
            return
        self._seq = found[-1][0]
        outcomes = [outcome for _, outcome in found if outcome.tier in self._tiers]
        if len(outcomes) > _AT_ONCE_MAX:
            await asyncio.to_thread(self.learn, outcomes)
        else:
            self.learn(outcomes)

    def learn(self, outcomes: Sequence[TierOutcome]) -> None:
        """Take outcomes, oldest first."""
        for outcome in outcomes:
            seen = perceive(outcome.question, outcome.task)
            self._bandit.learn(seen, outcome.tier, outcome.success)

    def has_measured(self, tiers: Sequence[str]) -> bool:
        """Whether two of these tiers at least were measured, so that they can be compared."""
        return len(self._measured.keys() & set(tiers)) > 1

    def knows(self, tiers: Sequence[str]) -> bool:
        """Whether all of these tiers are among those it was made for."""
        return self._tiers.issuperset(tiers)

    def beliefs(self, question: str, task: str, tiers: Sequence[str]) -> dict[str, Belief]:
        """What is believed of the tiers' success on a question."""
        seen: Perception = perceive(question, task)
        return self._bandit.beliefs(seen, tiers)

    def untried(self, tiers: Sequence[str]) -> str | None:
        """The tier that has been asked too seldom to be known; None when all are."""
        return self._bandit.untried(tiers)
