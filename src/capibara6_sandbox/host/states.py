"""The states of a sandbox's life, and every legal step between them, in one table."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from capibara6_sandbox.errors import ConflictError


class State(StrEnum):
    """Where a sandbox is in its life; the names are E2B's."""

    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMING = "resuming"
    SNAPSHOTTING = "snapshotting"  # held still for a moment, then it goes on
    ENDED = "killing"


TRANSITIONS: Final[Mapping[State, frozenset[State]]] = {
    State.RUNNING: frozenset({State.PAUSING, State.SNAPSHOTTING, State.ENDED}),
    State.PAUSING: frozenset({State.PAUSED, State.RUNNING, State.ENDED}),
    State.PAUSED: frozenset({State.RESUMING, State.PAUSING, State.ENDED}),
    State.RESUMING: frozenset({State.RUNNING, State.PAUSED, State.ENDED}),
    State.SNAPSHOTTING: frozenset({State.RUNNING, State.ENDED}),
    State.ENDED: frozenset(),
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


def check_step(sandbox_id: str, before: State, after: State) -> None:
    """See that a step is legal.

    Raises:
        ConflictError: it is not.
    """
    if after not in TRANSITIONS[before]:
        text = f"Sandbox '{sandbox_id}' cannot go from '{before}' to '{after}'"
        raise ConflictError(text)
