"""What is learnt from runs: bullets of a playbook, deltas that change it, advice out of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from capibara6.domain.programs import Program

SECTIONS = ("api", "data", "strategy", "recipe")


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a bullet applies; what is empty applies everywhere."""

    task: str = ""  # one of domain.tasks.TASKS
    packages: tuple[tuple[str, str], ...] = ()  # distribution and the version it was seen with
    traits: tuple[str, ...] = ()  # of the data, such as "csv" or "kind:date"


@dataclass(frozen=True, slots=True)
class Bullet:
    """One lesson, or one recipe: a proven program.

    Attributes:
        id: follows from what the bullet is about, so that the same lesson has the same id anywhere.
        trigger: the use of a package that failed, such as `numpy.trapz` or
            `pandas.read_csv(squeeze=)`; "" when it is about none.
        remedy: the uses that mended it.
        program: of a recipe; its parameters stand at its top.
        tests: of a recipe: what it printed, with which parameters.
        origin: "rules" | "model" | "user" | "recipe".
    """

    id: str  # 32 hex digits
    section: str  # one of SECTIONS
    text: str
    created: datetime
    scope: Scope = Scope()
    trigger: str = ""
    remedy: tuple[str, ...] = ()
    program: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    tests: tuple[dict[str, Any], ...] = ()
    origin: str = "rules"


@dataclass(frozen=True, slots=True)
class Delta:
    """One change of the playbook: a fact that can be told twice, in any order, by anybody.

    `kind` says what `body` holds: "add" (a bullet's fields, `cue`, `source`), "update" (some of its
    fields), "merge" (`with`: the id of a bullet that means the same), "remove" (`reason`),
    "outcome" (`verdict`, `run`, `attempt`).
    """

    id: str  # 32 hex digits; the same for the same change everywhere
    at: datetime
    kind: str
    bullet: str
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Advice:
    """A bullet as a prompt was given it."""

    bullet_id: str
    section: str
    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Reused:
    """A recipe's program, filled for a later request.

    Attributes:
        advice: the recipe, by which its outcome is counted for it.
        printed: the beginning of what it printed when it was proven.
        same: whether it was proven on just this data with these values, so that it must print so.
    """

    program: Program
    advice: Advice
    printed: str
    same: bool
