"""The reply that sends a file, over a scripted guest."""

import asyncio
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any, Self

import pytest

from capibara6_guest.wire import CallError
from capibara6_sandbox.gateway.envd.downloads import Download
from capibara6_sandbox.host.guest_client import GuestLostError

Event = dict[str, Any] | bytes | Exception


class Call:
    """A call whose guest says what it is told to."""

    def __init__(self, *events: Event) -> None:
        self._events = events

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def events(self) -> AsyncGenerator[dict[str, Any] | bytes, None]:
        for event in self._events:
            if isinstance(event, Exception):
                raise event
            yield event


def found(length: int) -> dict[str, Any]:
    return {"start": 0, "size": length, "length": length, "modified_ns": 0}


async def downloaded(*events: Event, method: str = "GET") -> tuple[bytes, bool, bool]:
    """What was sent, whether the reply ended as it should, and whether its connection was cut."""
    sent: list[dict[str, Any]] = []
    cuts: list[bool] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    guest = SimpleNamespace(call=lambda *_, **__: Call(*events))
    sandbox: Any = SimpleNamespace(guest=guest, id="s")
    extensions = {"capibara6.cut": {"call": lambda: cuts.append(True)}}
    scope = {"type": "http", "method": method, "headers": [], "extensions": extensions}
    await Download(sandbox, "user", "/file", None, gzip=False)(scope, receive, send)
    bodies = [message for message in sent if message["type"] == "http.response.body"]
    body = b"".join(message["body"] for message in bodies)
    return body, bool(bodies) and not bodies[-1]["more_body"], bool(cuts)


@pytest.mark.parametrize("end", [GuestLostError("paused"), CallError("internal", "gone")])
@pytest.mark.parametrize("body", [b"", b"data"])
async def test_a_file_that_was_sent_whole_is_not_cut_by_what_comes_after(
    body: bytes, end: Exception
) -> None:
    pieces = [body] if body else []
    assert await downloaded(found(len(body)), *pieces, end) == (body, True, False)


@pytest.mark.parametrize("end", [(), (GuestLostError("paused"),), (CallError("internal", "x"),)])
async def test_a_file_that_ends_too_early_is_cut(end: tuple[Exception, ...]) -> None:
    assert await downloaded(found(8), b"data", *end) == (b"data", False, True)


async def test_a_file_that_has_grown_is_cut() -> None:
    assert await downloaded(found(4), b"more data") == (b"more data", False, True)


async def test_a_head_has_an_end() -> None:
    assert await downloaded(found(4), method="HEAD") == (b"", True, False)
