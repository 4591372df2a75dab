"""The states of what the server keeps, and every legal step between them, in one table.

Sandboxes, builds of templates and snapshots. Whoever changes a state asks `check_step` first, so
that what is not in the table cannot happen; docs/SPECIFICATION.md shows it, and a test compares
the two.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

from capibara6_sandbox.errors import ConflictError


class State(StrEnum):
    """Where a sandbox is in its life; the names are E2B's."""

    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMING = "resuming"
    SNAPSHOTTING = "snapshotting"  # held still for a moment, then it goes on
    ENDED = "killing"


class BuildState(StrEnum):
    """How far the build of a template is; the names are E2B's."""

    WAITING = "waiting"  # ordered, and perhaps files come for it
    BUILDING = "building"
    READY = "ready"
    ERROR = "error"


class SnapshotState(StrEnum):
    """Whether there is a snapshot."""

    SAVING = "saving"  # no client knows it yet, and no restart finds it
    KEPT = "kept"
    REMOVED = "removed"


# By kind: from each state, those that it may be followed by. A state without any is an end.
TRANSITIONS: Final[Mapping[type[StrEnum], Mapping[StrEnum, frozenset[StrEnum]]]] = {
    State: {
        State.RUNNING: frozenset({State.PAUSING, State.SNAPSHOTTING, State.ENDED}),
        State.PAUSING: frozenset({State.PAUSED, State.RUNNING, State.ENDED}),
        State.PAUSED: frozenset({State.RESUMING, State.PAUSING, State.ENDED}),
        State.RESUMING: frozenset({State.RUNNING, State.PAUSED, State.ENDED}),
        State.SNAPSHOTTING: frozenset({State.RUNNING, State.ENDED}),
        State.ENDED: frozenset(),
    },
    BuildState: {
        BuildState.WAITING: frozenset({BuildState.BUILDING, BuildState.ERROR}),
        BuildState.BUILDING: frozenset({BuildState.READY, BuildState.ERROR}),
        BuildState.READY: frozenset(),
        BuildState.ERROR: frozenset(),
    },
    SnapshotState: {
        SnapshotState.SAVING: frozenset({SnapshotState.KEPT, SnapshotState.REMOVED}),
        SnapshotState.KEPT: frozenset({SnapshotState.REMOVED}),
        SnapshotState.REMOVED: frozenset(),
    },
}

# In which a life may begin: when it is made, or found again by a restarted server.
BEGINNINGS: Final[Mapping[type[StrEnum], frozenset[StrEnum]]] = {
    State: frozenset({State.RUNNING, State.PAUSED}),
    BuildState: frozenset(BuildState),
    SnapshotState: frozenset({SnapshotState.SAVING, SnapshotState.KEPT}),
}

# What clients see of a step that is under way: where it comes from, until it is done.
VISIBLE: Final[Mapping[State, str]] = {
    State.RUNNING: "running",
    State.PAUSING: "running",
    State.PAUSED: "paused",
    State.RESUMING: "paused",
    State.SNAPSHOTTING: "running",
    State.ENDED: "running",
}

Step = TypeVar("Step", State, BuildState, SnapshotState)


def check_step(kind: str, name: str, before: Step, after: Step) -> Step:
    """Return the next state of something, if the step is legal.

    Args:
        kind: of what, for people: "Sandbox".
        name: its id.
        before: its state.
        after: the one that it shall have.

    Raises:
        ConflictError: there is no such step.
    """
    if after not in TRANSITIONS[type(before)][before]:
        text = f"{kind} '{name}' cannot go from '{before}' to '{after}'"
        raise ConflictError(text)
    return after
