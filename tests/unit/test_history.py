"""What sandboxes have used: bounded, coarser with age, and read by intervals."""

import asyncio
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from starlette.datastructures import QueryParams

from capibara6_sandbox.errors import BadRequestError
from capibara6_sandbox.gateway.metrics import POINTS_MAX, samples
from capibara6_sandbox.host import history as module
from capibara6_sandbox.host.history import (
    INTERVAL_S,
    MEAN_OF,
    OLDER_MAX,
    RECENT_MAX,
    History,
    Sample,
    Sampler,
)
from capibara6_sandbox.isolation.limits import CgroupUsage, Limits

START_S = 1_900_000_000.0


def filled(count: int) -> History:
    history = History()
    for number in range(count):
        at_s = START_S + number * INTERVAL_S
        share = history.share(at_s, number) or 0.0
        history.add(Sample(at_s, share, number, 10 * number, 100), cpu_s=number)
    return history


@dataclass
class Made:
    limits: Limits = field(default_factory=lambda: Limits(cpus=2))


@dataclass
class Used:
    """What the metrics look at of a sandbox."""

    history: History
    template: Made = field(default_factory=Made)
    visible_state: str = "running"

    def usage(self) -> CgroupUsage:
        return CgroupUsage(7, 8, 1.0, 1, 0)

    def measure(self, usage: CgroupUsage, at_s: float) -> Sample:
        return Sample(at_s, 0.5, usage.memory_bytes, 0, 0)


def ask(count: int, query: str, now_s: float = START_S, **changes: Any) -> list[dict[str, Any]]:
    sandbox: Any = Used(filled(count), **changes)
    return samples(sandbox, QueryParams(query), now_s)


def test_the_newest_hour_stays_as_it_was_and_a_week_of_means() -> None:
    history = filled(RECENT_MAX + OLDER_MAX * MEAN_OF + 1000)
    found = history.select(0, float("inf"))
    steps = [after.at_s - before.at_s for before, after in pairwise(found)]
    assert set(steps[-RECENT_MAX + 1 :]) == {INTERVAL_S}
    assert set(steps[: -RECENT_MAX - 1]) == {INTERVAL_S * MEAN_OF}
    assert OLDER_MAX < len(found) <= RECENT_MAX + OLDER_MAX


def test_the_share_is_of_the_time_between_two_samples() -> None:
    history = filled(2)
    assert history.select(0, float("inf"))[1].cpu_share == pytest.approx(1 / INTERVAL_S)
    assert history.share(START_S + 2 * INTERVAL_S, 6) == pytest.approx(1)
    assert history.share(START_S + 2 * INTERVAL_S, 0) == 0  # another machine counts anew
    history.rest()
    assert history.share(START_S + 3 * INTERVAL_S, 7) is None


def test_an_interval_is_cut_out() -> None:
    now_s = START_S + 1000
    start, end = int(START_S) + 10, int(START_S) + 19
    found = ask(10, f"start={start}&end={end}", now_s)
    assert [sample["timestampUnix"] - int(START_S) for sample in found] == [10, 15, 20]


def test_the_present_comes_last_and_counts_all_processors() -> None:
    now_s = START_S + 30
    last = ask(2, "", now_s)[-1]
    assert (last["timestampUnix"], last["cpuCount"], last["cpuUsedPct"]) == (int(now_s), 2, 25.0)
    assert (last["cpuSeconds"], last["memPeak"], last["oomKills"]) == (1.0, 8, 0)
    assert len(ask(2, "", now_s, visible_state="paused")) == 2


def test_a_reply_is_bounded_and_ends_with_the_newest() -> None:
    found = ask(4000, "", START_S + 4000 * INTERVAL_S, visible_state="paused")
    assert POINTS_MAX / 2 < len(found) <= POINTS_MAX
    assert found[-1]["timestampUnix"] == START_S + 3999 * INTERVAL_S


@pytest.mark.parametrize("query", ["start=x", "end=-1", "start=" + "9" * 5000, "start=9&end=8"])
def test_an_interval_that_cannot_be_is_refused(query: str) -> None:
    with pytest.raises(BadRequestError):
        ask(1, query)


class Broken:
    """A sandbox that is just ending."""

    def __init__(self) -> None:
        self.asked = 0
        self.asked_twice = asyncio.Event()

    def sample(self, at_s: float) -> None:
        self.asked += 1
        if self.asked == 2:
            self.asked_twice.set()
        raise OSError(19, "No such device")


async def test_one_that_cannot_be_sampled_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL_S", 0.01)
    broken = [Broken() for _ in range(9)]
    sampling = asyncio.create_task(Sampler(lambda: broken).run())
    await broken[-1].asked_twice.wait()
    sampling.cancel()
    assert min(one.asked for one in broken) == 2
