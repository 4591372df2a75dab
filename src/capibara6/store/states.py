"""The states of runs and of their attempts, and every legal step between them, in one table.

Whoever changes a state asks `check_step` first; docs/SPECIFICATION.md shows the table, and a test
compares the two.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

INTERRUPTED: Final = "interrupted"  # error_code of runs that their platform left behind


class RunState(StrEnum):
    """How far a request is."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # also: was cancelled
    INTERRUPTED = INTERRUPTED  # its platform ended without saying so; the next one says it


class AttemptState(StrEnum):
    """How far a run's attempt is. There is a record of the execution once it has finished."""

    WRITTEN = "written"
    RUNNING = "running"
    FINISHED = "finished"


TRANSITIONS: Final[Mapping[type[StrEnum], Mapping[StrEnum, frozenset[StrEnum]]]] = {
    RunState: {
        RunState.RUNNING: frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.INTERRUPTED}),
        RunState.SUCCEEDED: frozenset(),
        RunState.FAILED: frozenset(),
        RunState.INTERRUPTED: frozenset(),
    },
    AttemptState: {
        AttemptState.WRITTEN: frozenset({AttemptState.RUNNING, AttemptState.FINISHED}),
        AttemptState.RUNNING: frozenset({AttemptState.FINISHED}),
        AttemptState.FINISHED: frozenset(),
    },
}

BEGINNINGS: Final[Mapping[type[StrEnum], frozenset[StrEnum]]] = {
    RunState: frozenset({RunState.RUNNING}),
    AttemptState: frozenset({AttemptState.WRITTEN}),
}

Step = TypeVar("Step", RunState, AttemptState)


def check_step(name: str, before: Step | None, after: Step) -> Step:
    """Return the next state of something, if the step is legal.

    Args:
        name: what it is, for people.
        before: its state; None if it begins.
        after: the one that it shall have.

    Raises:
        ValueError: there is no such step.
    """
    kind = type(after)
    legal = BEGINNINGS[kind] if before is None else TRANSITIONS[kind][before]
    if after not in legal:
        raise ValueError(f"{name} cannot go from '{before or 'nothing'}' to '{after}'")
    return after
