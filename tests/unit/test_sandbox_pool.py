"""The pool of ready sandboxes follows what is asked of it, between its bounds."""

import asyncio
from typing import cast

import pytest
from structlog.testing import capture_logs

from capibara6_sandbox.host import pool as pools
from capibara6_sandbox.host.demand import WINDOW_S, Demand, PoolBounds
from capibara6_sandbox.host.pool import Pool
from capibara6_sandbox.host.sandbox import Sandbox
from capibara6_sandbox.templates.catalog import Template


class Ready:
    alive = True


class Named:
    name = "base"


TEMPLATE = cast(Template, Named())


@pytest.mark.parametrize(
    ("times_s", "size"),
    [([], 2), ([0, 100, 200], 2), ([0, 0.2, 0.4, 0.6, 50], 4), ([n / 100 for n in range(50)], 8)],
)
def test_the_greatest_burst_decides_between_the_bounds(times_s: list[float], size: int) -> None:
    demand = Demand(PoolBounds(2, 8))
    for time_s in times_s:
        demand.take(time_s)
    assert demand.size(300.0) == size
    assert demand.size(300.0 + WINDOW_S) == 2


def test_slow_starts_make_bursts_of_what_is_further_apart() -> None:
    demand = Demand(PoolBounds(1, 8))
    for time_s in (0, 3, 6, 9):
        demand.take(time_s)
    assert demand.size(10.0) == 1
    demand.started(7.0)
    assert demand.size(10.0) == 3


def test_one_number_for_both_bounds_is_a_pin() -> None:
    demand = Demand(PoolBounds(0, 0))
    for _ in range(9):
        demand.take(0.0)
    assert demand.size(0.0) == 0


async def test_a_pool_grows_with_a_burst_says_why_and_gives_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pools, "_REST_S", 0)
    monkeypatch.setattr(pools, "_TRIMS_A_WINDOW", 1e9)
    given_back, now_s = [], 0.0

    async def start(_template: Template) -> Sandbox:
        return cast(Sandbox, Ready())

    async def dispose(sandbox: Sandbox) -> None:
        given_back.append(sandbox)

    pool = Pool(start, dispose, PoolBounds(1, 4), clock=lambda: now_s)
    with capture_logs() as logs:
        await pool.keep_ready(TEMPLATE)
        for _ in range(3):
            await pool.take(TEMPLATE)
        for _ in range(50):
            await asyncio.sleep(0)
        assert logs[0]["event"] == "pool_resized"
        assert (logs[0]["was"], logs[0]["size"]) == (1, 3)
        assert "3 asked for within 1.0 s" in logs[0]["reason"]
        assert not given_back
        now_s = 2 * WINDOW_S
        for _ in range(200):
            await asyncio.sleep(0.001)
            if len(given_back) == 2:
                break
    assert len(given_back) == 2
    assert (logs[-1]["was"], logs[-1]["size"]) == (3, 1)
    assert len(await pool.close()) == 1
