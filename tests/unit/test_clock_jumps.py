"""The machine's clock is set while sandboxes live: what has an end keeps it."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from capibara6_sandbox.host import sandbox as sandbox_module
from capibara6_sandbox.host.deadlines import Deadlines
from capibara6_sandbox.host.sandbox import Sandbox


class Jumping:
    """A wall clock that a test sets."""

    jump = timedelta()

    @classmethod
    def now(cls, zone: Any = UTC) -> datetime:
        return datetime.now(zone) + cls.jump


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> type[Jumping]:
    monkeypatch.setattr(sandbox_module, "datetime", Jumping)
    monkeypatch.setattr(Jumping, "jump", timedelta())
    return Jumping


@pytest.mark.parametrize("days", [-400, -1, 1, 400])
async def test_a_sandbox_lives_as_long_as_it_was_given(wall: type[Jumping], days: int) -> None:
    expired: list[Sandbox] = []
    deadlines = Deadlines(expired.append)
    sandbox = Sandbox("id", None)  # type: ignore[arg-type]
    sandbox.extend(0.3)
    begun = time.monotonic()
    deadlines.set(sandbox)
    wall.jump = timedelta(days=days)
    assert 0 < sandbox.remaining_s <= 0.3
    deadlines.renew(sandbox)
    while not expired:
        await asyncio.sleep(0.01)
        assert time.monotonic() - begun < 30, "it lives on by the clock that was set"
    assert time.monotonic() - begun >= 0.3


def test_a_longer_life_is_told_by_the_clock_of_now(wall: type[Jumping]) -> None:
    sandbox = Sandbox("id", None)  # type: ignore[arg-type]
    wall.jump = timedelta(days=-1)
    sandbox.extend(60)
    assert abs((sandbox.ends_at - Jumping.now()).total_seconds() - 60) < 5
    assert 55 < sandbox.remaining_s <= 60
