"""What learners keep in the store: one suite for every database it supports."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from capibara6.domain.playbook import Delta
from capibara6.store import Store, TierOutcome
from support.stories import START


def tier_outcome(number: int, tier: str = "fast") -> TierOutcome:
    return TierOutcome(f"{number:032x}", START, "¿cuánto?\0", "describe", tier, 0.5, 0.01)


async def test_outcomes_are_a_set(store: Store) -> None:
    assert await store.outcomes.add([]) == 0
    assert await store.outcomes.oldest() is None
    assert await store.outcomes.add([tier_outcome(1), tier_outcome(2)]) == 2
    assert await store.outcomes.add([tier_outcome(2), tier_outcome(3, "complex")]) == 1
    rows = await store.outcomes.after(0, 10)
    assert [outcome.id[-1] for _, outcome in rows] == ["1", "2", "3"]
    assert rows[0][1].at == START
    assert rows[0][1].tier == "fast"
    assert await store.outcomes.after(rows[1][0], 10) == rows[2:]
    assert await store.outcomes.after(0, 2) == rows[1:]


async def test_processes_add_outcomes_at_once(store: Store, url: str, tmp_path: Path) -> None:
    other = await Store.open(url, tmp_path / "home")
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task(store.outcomes.add([tier_outcome(number)]))
                group.create_task(other.outcomes.add([tier_outcome(number)]))
        assert len(await store.outcomes.after(0, 100)) == 10
    finally:
        await other.close()


async def test_a_number_is_not_given_twice_after_a_reset(store: Store) -> None:
    await store.outcomes.add([tier_outcome(n) for n in range(3)])
    last = (await store.outcomes.after(0, 10))[-1][0]
    assert await store.outcomes.clear() == 3
    await store.outcomes.add([tier_outcome(9)])
    assert (await store.outcomes.oldest() or 0) > last


async def test_the_oldest_outcomes_are_dropped(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("capibara6.store.tier_outcomes.KEPT_MAX", 50)
    for start in range(0, 200, 10):
        await store.outcomes.add([tier_outcome(n) for n in range(start, start + 10)])
    rows = await store.outcomes.after(0, 1000)
    assert 50 <= len(rows) <= 150
    assert rows[-1][1].id == f"{199:032x}"


def playbook_delta(number: int, kind: str = "add") -> Delta:
    body = {"text": f"lesson {number}", "odd": "\ud800 \u00f1"}
    return Delta(f"{number:032x}", datetime(2026, 1, 1, tzinfo=UTC), kind, "b" * 32, body)


async def test_changes_of_the_playbook_are_a_set(store: Store) -> None:
    assert await store.playbook.add([]) == 0
    assert await store.playbook.oldest() is None
    assert await store.playbook.add([playbook_delta(1), playbook_delta(2)]) == 2
    assert await store.playbook.add([playbook_delta(2), playbook_delta(3, "remove")]) == 1
    rows = await store.playbook.after(0, 10)
    assert [change for _, change in rows] == [
        playbook_delta(1),
        playbook_delta(2),
        playbook_delta(3, "remove"),
    ]
    assert await store.playbook.after(rows[1][0], 10) == rows[2:]
    assert await store.playbook.after(0, 2) == rows[:2]
    assert await store.playbook.oldest() == rows[0][0]
    assert await store.playbook.clear() == 3
    assert await store.playbook.oldest() is None
