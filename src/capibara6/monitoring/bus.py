"""The bus: hands every event of a run to all listeners, whatever becomes of one of them."""

import asyncio
from collections.abc import Sequence

import structlog

from capibara6.domain.events import Event
from capibara6.domain.ports import EventSink

HANDLE_TIMEOUT_S = 30.0

_log = structlog.get_logger(__name__)


class EventBus:
    """Delivers events to sinks one after the other, in the order in which they were given.

    A sink that raises or hangs is logged and passed over; the run and the other sinks go on.

    Args:
        sinks: the store first, so that what a learner refers to is there.
        timeout_s: how long one sink may take for one event.
    """

    def __init__(self, sinks: Sequence[EventSink], timeout_s: float = HANDLE_TIMEOUT_S) -> None:
        self._sinks = tuple(sinks)
        self._timeout_s = timeout_s

    async def handle(self, event: Event) -> None:
        """Deliver one event. Only cancellation is raised."""
        for sink in self._sinks:
            try:
                async with asyncio.timeout(self._timeout_s):
                    await sink.handle(event)
            except Exception:  # noqa: BLE001 - whatever a listener does, the run goes on
                _log.exception(
                    "listener_failed",
                    listener=type(sink).__name__,
                    event_type=type(event).__name__,
                    run_id=event.run_id,
                )
