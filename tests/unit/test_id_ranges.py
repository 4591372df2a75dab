"""Ranges of user ids: apart from each other, given out once, and bounded."""

from itertools import pairwise

import pytest

from capibara6_sandbox.errors import StartError
from capibara6_sandbox.host.id_ranges import FIRST_ID, RANGES_MAX, IdRanges
from capibara6_sandbox.isolation.identity import IDS_PER_SANDBOX


def test_ranges_share_no_id_and_none_is_beyond_what_the_kernel_knows() -> None:
    ranges = IdRanges()
    taken = sorted(ranges.take() for _ in range(RANGES_MAX))
    assert all(b - a >= IDS_PER_SANDBOX for a, b in pairwise(taken))
    assert taken[0] > FIRST_ID
    assert taken[-1] + IDS_PER_SANDBOX < 1 << 32


def test_when_all_are_taken_the_next_must_wait_for_one_that_is_given_back() -> None:
    ranges = IdRanges()
    taken = [ranges.take() for _ in range(RANGES_MAX)]
    with pytest.raises(StartError, match="end a sandbox"):
        ranges.take()
    ranges.give_back(taken[5])
    assert ranges.take() == taken[5]
