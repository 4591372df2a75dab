"""Repeated calls are served once, by their key."""

import asyncio
from typing import Any

import pytest
from starlette.requests import Request

from capibara6_sandbox.errors import BadRequestError, RepeatMismatchError
from capibara6_sandbox.gateway import idempotency
from capibara6_sandbox.gateway.idempotency import KEPT_S, Repeats, idempotency_key


class Maker:
    """Counts what it makes; waits for `go` before."""

    def __init__(self) -> None:
        self.made = 0
        self.go = asyncio.Event()
        self.go.set()
        self.fails = False

    async def __call__(self) -> dict[str, Any]:
        await self.go.wait()
        if self.fails:
            raise OSError("no room")
        self.made += 1
        return {"number": self.made}


async def test_a_repetition_gets_the_first_reply() -> None:
    repeats, make = Repeats(), Maker()
    assert await repeats.once("k", "a", make) == {"number": 1}
    assert await repeats.once("k", "a", make) == {"number": 1}
    assert await repeats.once("other", "a", make) == {"number": 2}
    assert await repeats.once("", "a", make) == {"number": 3}
    assert await repeats.once("", "a", make) == {"number": 4}


async def test_those_at_once_wait_for_one_whoever_leaves() -> None:
    repeats, make = Repeats(), Maker()
    make.go.clear()
    calls = [asyncio.create_task(repeats.once("k", "a", make)) for _ in range(5)]
    await asyncio.sleep(0)
    calls[0].cancel()
    await asyncio.sleep(0)
    make.go.set()
    assert await asyncio.gather(*calls[1:]) == [{"number": 1}] * 4


async def test_another_request_under_the_same_key_is_refused() -> None:
    repeats, make = Repeats(), Maker()
    await repeats.once("k", "a", make)
    with pytest.raises(RepeatMismatchError, match="'k'"):
        await repeats.once("k", "b", make)


async def test_a_failure_is_served_anew() -> None:
    repeats, make = Repeats(), Maker()
    make.fails = True
    for _ in range(2):
        with pytest.raises(OSError, match="no room"):
            await repeats.once("k", "a", make)
    make.fails = False
    assert await repeats.once("k", "a", make) == {"number": 1}


async def test_keys_expire_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    repeats, make = Repeats(lambda: now[0]), Maker()
    await repeats.once("k", "a", make)
    now[0] = KEPT_S + 1
    assert await repeats.once("k", "a", make) == {"number": 2}
    monkeypatch.setattr(idempotency, "KEYS_MAX", 3)
    for number in range(4):
        await repeats.once(f"k{number}", "a", make)
    assert await repeats.once("k", "a", make) == {"number": 7}
    assert await repeats.once("k3", "a", make) == {"number": 6}


@pytest.mark.parametrize("key", ["", "A", "a_b", "a" * 256, "ñ"])
def test_a_key_that_no_client_sends_is_refused(key: str) -> None:
    headers = [(b"idempotency-key", key.encode("latin-1"))]
    with pytest.raises(BadRequestError, match="Idempotency-Key"):
        idempotency_key(Request({"type": "http", "headers": headers}))


def test_a_request_without_a_key_has_none() -> None:
    assert idempotency_key(Request({"type": "http", "headers": []})) == ""
