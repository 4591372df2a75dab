"""The store: every event, run, execution and artefact, on SQLite or PostgreSQL."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from capibara6.store.codec import event_from_dict, event_to_dict
from capibara6.store.database import Database
from capibara6.store.events import EventStore, execution_id, utc_now
from capibara6.store.executions import Executions
from capibara6.store.learning import Lessons, UsageSamples
from capibara6.store.records import (
    ArtefactRecord,
    ExecutionFilter,
    ExecutionRecord,
    Lesson,
    Page,
    RunRecord,
    Stats,
    Tally,
    TierOutcome,
    UsageSample,
)
from capibara6.store.runs import Runs
from capibara6.store.tier_outcomes import TierOutcomes

__all__ = [
    "ArtefactRecord",
    "EventStore",
    "ExecutionFilter",
    "ExecutionRecord",
    "Executions",
    "Lesson",
    "Lessons",
    "Page",
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
        outcomes: raw material of the router.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self.events = EventStore(database, clock)
        self.runs = Runs(database)
        self.executions = Executions(database)
        self.lessons = Lessons(database)
        self.usage = UsageSamples(database)
        self.outcomes = TierOutcomes(database)

    @classmethod
    async def open(cls, url: str, home: Path, clock: Callable[[], datetime] = utc_now) -> "Store":
        """Open the database at `url`, bring its schema up to date, keep files under `home`.

        Raises:
            ConfigurationError: the database or the directory cannot be used.
        """
        return cls(await Database.open(url, home), clock)

    async def close(self) -> None:
        """Store what waits, and close all connections. Safe to call twice."""
        try:
            await self.events.close()
        finally:
            await self._database.close()
