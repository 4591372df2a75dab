"""What ended sandboxes had used: kept for a week, within a size."""

import tracemalloc

import pytest

from capibara6_sandbox.host import past_usage
from capibara6_sandbox.host.history import History, Sample
from capibara6_sandbox.host.past_usage import PastUsage, Used
from capibara6_sandbox.isolation.limits import Limits

WEEK_S = 7 * 24 * 3600.0


def used(samples: int) -> Used:
    history = History()
    for number in range(samples):
        history.add(Sample(float(number), 0.5, 1, 1, 1), number)
    return Used(Limits(), history)


def test_it_is_kept_for_a_week() -> None:
    now_s = 0.0
    past = PastUsage(lambda: now_s)
    first = used(3)
    past.keep("first", first)
    assert past.find("first") is first
    assert past.find("other") is None
    now_s = WEEK_S
    past.keep("second", used(1))
    assert past.find("first") is first
    now_s += 1
    assert past.find("first") is None
    assert past.find("second") is not None


def test_the_oldest_make_room() -> None:
    past = PastUsage(lambda: 0.0)
    each = used(700)
    count = past_usage.BYTES_MAX // each.history.size_bytes + 1
    for number in range(count):
        past.keep(str(number), each)
    assert past.find("0") is None
    assert past.find(str(count - 1)) is each
    found = sum(past.find(str(number)) is not None for number in range(count))
    assert found * each.history.size_bytes <= past_usage.BYTES_MAX


@pytest.mark.parametrize("samples", [0, 2, 59, 130])
def test_no_more_memory_is_held_than_is_counted(samples: int) -> None:
    past, count = PastUsage(lambda: 0.0), 300
    tracemalloc.start()
    try:
        for number in range(count):
            past.keep(str(number), used(samples))
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < past._bytes * 1.1
