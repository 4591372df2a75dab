"""A run as server-sent events (WHATWG HTML, "Server-sent events").

Each event has an id (its number in the run, from 1), its name, and one line of JSON. A comment
goes out when the run is silent, so that no proxy takes the connection for dead.
"""

import json
from contextlib import aclosing
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from capibara6.api.following import follow
from capibara6.audience import Events
from capibara6.domain.events import Event
from capibara6.views import event_name, event_view

KEEPALIVE_S: Final = 15.0
_KEEPALIVE: Final = b": keepalive\n\n"


class EventStream(Response):
    """Sends a run's events as they happen; the run ends when the client goes."""

    media_type = "text/event-stream"

    def __init__(self, events: Events, run_id: str, keepalive_s: float = KEEPALIVE_S) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no", "x-run-id": run_id}
        super().__init__(headers=headers)
        del self.headers["content-length"]  # a stream has none
        self._events = events
        self._keepalive_s = keepalive_s

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        number = 0
        async with aclosing(follow(self._events, receive, self._keepalive_s)) as followed:
            async for event in followed:
                number += event is not None
                body = frame(number, event) if event else _KEEPALIVE
                await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def frame(number: int, event: Event) -> bytes:
    """One event as the stream carries it."""
    data = json.dumps(event_view(event), ensure_ascii=False, separators=(",", ":"))
    return f"id: {number}\nevent: {event_name(type(event))}\ndata: {data}\n\n".encode(
        errors="replace"
    )
