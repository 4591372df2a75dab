"""The tables of states: whole, and nothing beside them is let through."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara6.store import states as store_states
from capibara6_sandbox.errors import ConflictError
from capibara6_sandbox.host import states as host_states
from capibara6_sandbox.host.build_records import Build, OwnTemplate, Reason
from capibara6_sandbox.host.builds.library import Library
from capibara6_sandbox.host.records import Records, SnapshotRecord, TemplateRecord
from capibara6_sandbox.host.sandbox import Sandbox
from capibara6_sandbox.host.snapshots import Snapshots
from capibara6_sandbox.host.states import BuildState, State
from capibara6_sandbox.templates.catalog import TEMPLATES

Table = Mapping[type[StrEnum], Mapping[StrEnum, frozenset[StrEnum]]]

KINDS = [
    (tables.TRANSITIONS, tables.BEGINNINGS, kind)
    for tables in (host_states, store_states)
    for kind in tables.TRANSITIONS
]
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("table", "beginnings", "kind"), KINDS, ids=[kind.__qualname__ for *_, kind in KINDS]
)
def test_a_table_is_whole_every_state_is_reached_and_has_an_end(
    table: Table, beginnings: Mapping[type[StrEnum], frozenset[StrEnum]], kind: type[StrEnum]
) -> None:
    steps = table[kind]
    assert set(steps) == set(kind)
    reached = set(beginnings[kind])
    while more := {after for state in reached for after in steps[state]} - reached:
        reached |= more
    assert reached == set(kind)
    ends = {state for state in kind if not steps[state]}
    assert ends
    for state in kind:
        ahead = {state}
        while more := {after for one in ahead for after in steps[one]} - ahead:
            ahead |= more
        assert ahead & ends, f"{state} leads to no end"


@given(walk=st.lists(st.sampled_from(State), max_size=12))
def test_a_sandbox_takes_legal_steps_alone(walk: list[State]) -> None:
    sandbox = Sandbox("id", None)  # type: ignore[arg-type]
    for after in walk:
        before = sandbox.state
        if after in host_states.TRANSITIONS[State][before]:
            sandbox.step(after)
            assert sandbox.state is after
            continue
        with pytest.raises(ConflictError, match=f"from '{before}' to '{after}'"):
            sandbox.step(after)
        assert sandbox.state is before


def test_a_build_that_has_ended_takes_no_further_step(tmp_path: Path) -> None:
    library = Library(tmp_path)
    template = OwnTemplate(id="t", alias="mine", created_at=NOW, updated_at=NOW)
    build = Build(
        id="b",
        template_id="t",
        tags=["default"],
        cpu_count=1,
        memory_mb=512,
        created_at=NOW,
        updated_at=NOW,
    )
    library.add(template, build)
    with pytest.raises(ConflictError, match="from 'waiting' to 'ready'"):
        library.settle(build, BuildState.READY)
    library.fail(build, Reason(message="superseded"))
    for again in (BuildState.BUILDING, BuildState.READY):
        with pytest.raises(ConflictError, match="from 'error'"):
            library.settle(build, again)
    with pytest.raises(ConflictError, match="from 'error' to 'error'"):
        library.fail(build, Reason(message="again"))
    assert Library(tmp_path).all_builds() == [build]


def test_a_snapshot_is_removed_once(tmp_path: Path) -> None:
    snapshots = Snapshots(Records(tmp_path, SnapshotRecord))
    record = SnapshotRecord(
        id="s",
        name="",
        tag="default",
        sandbox_id="x",
        template=TemplateRecord.of(TEMPLATES["base"]),
        layers=(),
        env={},
        created_at=NOW,
    )
    with pytest.raises(ConflictError, match="'removed' to 'removed'"):
        snapshots.remove(record)
    snapshots.add(record)
    with pytest.raises(ConflictError, match="from 'kept' to 'kept'"):
        snapshots.add(record)
    snapshots.remove(record)
    assert not snapshots.has(record)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, store_states.AttemptState.RUNNING),
        (store_states.AttemptState.FINISHED, store_states.AttemptState.FINISHED),
        (store_states.AttemptState.RUNNING, store_states.AttemptState.WRITTEN),
    ],
)
def test_attempts_take_legal_steps_alone(before: Any, after: Any) -> None:
    with pytest.raises(ValueError, match="cannot go from"):
        store_states.check_step("attempt 1", before, after)
