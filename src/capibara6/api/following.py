"""Follows a run for a client: ends with the run, or ends the run when the client has gone."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.types import Receive

from capibara6.audience import Events
from capibara6.domain.events import Event


async def follow(
    events: Events, receive: Receive, silence_s: float
) -> AsyncGenerator[Event | None, None]:
    """Pass on a run's events, and None whenever it was silent for `silence_s`.

    When the client disconnects, or this iterator is closed, the run is cancelled and its clean-up
    awaited. The run advances in tasks of its own, so that the cancellation that reaches it is
    asyncio's, delivered once, and its clean-up can await.
    """
    gone = asyncio.create_task(_disconnected(receive))
    step: asyncio.Task[Event | None] | None = None
    try:
        while True:
            step = step or asyncio.create_task(_next(events))
            await asyncio.wait({step, gone}, timeout=silence_s, return_when="FIRST_COMPLETED")
            if step.done():
                event, step = step.result(), None
                if event is None:
                    return
                yield event
            elif gone.done():
                return
            else:
                yield None
    finally:
        await _let_go(gone, step)
        await events.aclose()


async def _next(events: Events) -> Event | None:
    return await anext(events, None)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _let_go(*tasks: "asyncio.Task[None] | asyncio.Task[Event | None] | None") -> None:
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
