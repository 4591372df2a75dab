"""Which limit a program has met, told in words, from counters and from what it said."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from capibara6_sandbox.host.limit_watch import LimitWatch
from capibara6_sandbox.host.machine import Machine
from capibara6_sandbox.isolation.limits import MIB, Limits, Refusals

LIMITS = Limits(memory_bytes=256 * MIB, processes=99, disk_bytes=128 * MIB)


class Counting:
    """A cgroup whose counters are set."""

    def __init__(self) -> None:
        self.now: Refusals | None = Refusals(3, 4)

    def refusals(self) -> Refusals:
        if self.now is None:
            raise FileNotFoundError
        return self.now


def machine(cgroup: Counting | None) -> Machine:
    blueprint = SimpleNamespace(template=SimpleNamespace(limits=LIMITS), disk_bytes=0)
    made: Any = SimpleNamespace(
        cgroup=cgroup, blueprint=blueprint, disk_used_bytes=lambda: 127 * MIB
    )
    return cast(Machine, made)


def test_what_was_met_before_is_not_told() -> None:
    watch = LimitWatch(machine(Counting()))
    assert watch.met() == []
    assert not watch.out_of_memory


def test_counters_tell_of_memory_and_processes() -> None:
    group = Counting()
    watch = LimitWatch(machine(group))
    group.now = Refusals(4, 9)
    memory, processes = watch.met()
    assert "256 MiB of memory" in memory
    assert "template with more memory" in memory
    assert "99 processes and threads" in processes
    assert watch.out_of_memory


def test_a_sandbox_that_has_ended_meanwhile_has_met_nothing() -> None:
    group = Counting()
    watch = LimitWatch(machine(group))
    group.now = Refusals(3, 4)
    assert watch.met("Killed") == []


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("OSError: [Errno 28] No space left on device", "128 MiB (127 MiB are used)"),
        ("bash: too many open files", "4,096 files and sockets"),
    ],
)
def test_words_tell_what_nobody_counts(said: str, told: str) -> None:
    for group in (Counting(), None):
        (sentence,) = LimitWatch(machine(group)).met(said)
        assert told in sentence


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("MemoryError: ", "Each process of this sandbox may hold 256 MiB"),
        ("RuntimeError: can't start new thread", "99 processes and threads"),
        ("bash: fork: Resource temporarily unavailable", "99 processes and threads"),
        ("OSError: [Errno 27] File too large", "may have 256 MiB"),
    ],
)
def test_words_tell_more_where_there_are_no_counters(said: str, told: str) -> None:
    (sentence,) = LimitWatch(machine(None)).met(said)
    assert told in sentence
    assert LimitWatch(machine(Counting())).met(said) == []


def test_only_the_last_words_count() -> None:
    assert LimitWatch(machine(None)).met("MemoryError" + " " * 5000) == []
