"""The store: every event, run, execution and artefact, on SQLite or PostgreSQL."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from capibara6.store.codec import event_from_dict, event_to_dict
from capibara6.store.database import Database, unusable_home
from capibara6.store.events import EventStore, execution_id, utc_now
from capibara6.store.executions import Executions
from capibara6.store.in_progress import InProgress
from capibara6.store.interruptions import say_interrupted
from capibara6.store.learning import Lessons
from capibara6.store.model_samples import MeasuredTier, ModelSamples
from capibara6.store.playbook_deltas import PlaybookDeltas
from capibara6.store.records import (
    ArtefactRecord,
    ExecutionFilter,
    ExecutionRecord,
    Lesson,
    LimitPin,
    ModelSample,
    Page,
    RunRecord,
    Stats,
    Tally,
    TierOutcome,
    UsageSample,
)
from capibara6.store.runs import Runs
from capibara6.store.tier_outcomes import TierOutcomes
from capibara6.store.usage import LimitPins, UsageSamples

__all__ = [
    "ArtefactRecord",
    "EventStore",
    "ExecutionFilter",
    "ExecutionRecord",
    "Executions",
    "Lesson",
    "Lessons",
    "LimitPin",
    "LimitPins",
    "MeasuredTier",
    "ModelSample",
    "ModelSamples",
    "Page",
    "PlaybookDeltas",
    "RunRecord",
    "Runs",
    "Stats",
    "Store",
    "Tally",
    "TierOutcome",
    "TierOutcomes",
    "UsageSample",
    "UsageSamples",
    "event_from_dict",
    "event_to_dict",
    "execution_id",
]


class Store:
    """One database with everything in it.

    Attributes:
        events: the listener to hand to the event bus, first of all listeners.
        runs: requests and their replay.
        executions: programs that ran, figures about them, their artefacts.
        lessons: raw material of ACE.
        usage: raw material of tuning.
        pins: limits that somebody set over it.
        outcomes: raw material of the router.
        playbook: changes of ACE's playbook.
        samples: programs of models that were measured.
    """

    def __init__(
        self,
        database: Database,
        in_progress: InProgress,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._in_progress = in_progress
        self._clock = clock
        self.events = EventStore(database, in_progress, clock)
        self.runs = Runs(database)
        self.executions = Executions(database)
        self.lessons = Lessons(database)
        self.usage = UsageSamples(database)
        self.pins = LimitPins(database)
        self.outcomes = TierOutcomes(database)
        self.playbook = PlaybookDeltas(database)
        self.samples = ModelSamples(database)

    @classmethod
    async def open(cls, url: str, home: Path, clock: Callable[[], datetime] = utc_now) -> "Store":
        """Open the database at `url`, bring its schema up to date, keep files under `home`.

        Raises:
            ConfigurationError: the database or the directory cannot be used.
        """
        database = await Database.open(url, home)
        try:
            in_progress = await InProgress.open(home / "in-progress")
        except OSError as cause:
            await database.close()
            raise unusable_home(home, cause) from None
        except BaseException:
            await database.close()
            raise
        return cls(database, in_progress, clock)

    async def say_interrupted(self, farewell: Callable[[str], str]) -> None:
        """Let the runs have ended that a platform of this home left behind when it died.

        Args:
            farewell: what is said of one, in a language.

        Raises:
            SQLAlchemyError: the database failed; they are told the next time.
        """
        async with self._in_progress.abandoned() as run_ids:
            await say_interrupted(self._database, run_ids, farewell, self._clock)

    async def close(self) -> None:
        """Store what waits, and close all connections. Safe to call twice."""
        try:
            await self.events.close()
        finally:
            await self._database.close()
