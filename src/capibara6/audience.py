"""Tells a run's events to its listeners, and gives every run an end.

Owns two promises: a broken listener breaks no run, and the last event of a run is `RunFinished`,
whether the run succeeds, fails, is cancelled or meets a fault of the platform.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from capibara6.domain.events import Event
from capibara6.domain.ports import EventSink
from capibara6.errors import CapibaraError
from capibara6.progress import Progress

log = logging.getLogger(__name__)

Events = AsyncGenerator[Event, None]


class Audience:
    """The listeners of all runs."""

    def __init__(self, sinks: Sequence[EventSink]) -> None:
        self._sinks = tuple(sinks)

    async def told(self, progress: Progress, story: Events) -> Events:
        """Pass a story's events on, to the listeners first; end it in any case."""
        last: Event | None = None
        try:
            async with aclosing(story):
                async for event in story:
                    await self._tell(event)
                    yield event
        except CapibaraError as error:
            last = progress.failed(error.code, str(error))
        except (asyncio.CancelledError, GeneratorExit):
            if not progress.finished:
                await self._tell(progress.cancelled())
            raise
        except Exception as fault:
            log.exception("run %s met a fault of the platform", progress.run_id)
            last = progress.broken(fault)
        if last:
            await self._tell(last)
            yield last

    async def _tell(self, event: Event) -> None:
        for sink in self._sinks:
            try:
                await sink.handle(event)
            except Exception:
                # A listener learns or records; the run it listens to is not its hostage.
                log.exception("listener %s failed on %s", type(sink).__name__, type(event).__name__)
