"""Where a run goes after an attempt that failed visibly: the same tier, a stronger one, or nowhere.

A program that used what is not installed is first mended by its own tier, which is told what there
is instead: that needs no stronger model. Pure; knows the tiers by name and order only.
"""

from dataclasses import dataclass

from capibara6.domain.ports import ProgramWriter
from capibara6.errors import UnknownTierError
from capibara6.progress import Attempt


@dataclass(frozen=True, slots=True)
class Ladder:
    """The writers that can be used, cheapest first, and those that only a user may choose."""

    writers: tuple[ProgramWriter, ...]
    spare: tuple[ProgramWriter, ...] = ()  # configured, but their endpoints do not answer now

    @property
    def tiers(self) -> tuple[str, ...]:
        """The names of the usable ones, cheapest first."""
        return tuple(writer.tier for writer in self.writers)

    def writer(self, tier: str) -> ProgramWriter:
        """The writer of a tier.

        Raises:
            UnknownTierError: no such tier is configured.
        """
        for writer in (*self.writers, *self.spare):
            if writer.tier == tier:
                return writer
        raise UnknownTierError(tier, list(self.tiers))

    def after(self, attempt: Attempt) -> str | None:
        """The tier of the attempt that follows a failed one; None when there is nowhere to go."""
        if _can_mend_itself(attempt):
            return attempt.tier
        pinned = attempt.request.tier is not None  # the user chose the tier: the run stays on it
        if not pinned and (stronger := self._stronger(attempt)):
            return stronger
        return attempt.tier if attempt.writer_answers else None

    def _stronger(self, attempt: Attempt) -> str | None:
        worth = attempt.route.escalation
        later = self.tiers[self.tiers.index(attempt.tier) + 1 :]
        return next((tier for tier in later if worth is None or tier in worth), None)


def _can_mend_itself(attempt: Attempt) -> bool:
    """Whether what failed is outdated, and its tier was not told so yet."""
    if attempt.failure is None or not attempt.failure.diagnosis.is_outdated:
        return False
    before = attempt.previous
    return not (before and before.diagnosis.is_outdated and before.program.tier == attempt.tier)
