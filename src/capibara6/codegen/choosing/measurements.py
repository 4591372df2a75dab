"""What was measured of models that choose recipes, kept in one file, and the gate that it makes.

A model's measurement holds for the very rules it was measured against: when they change, it counts
no more, and rules choose until it is measured again.
"""

import hashlib
import json
import logging
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from capibara6.codegen.tiers import ModelTier, is_loopback

log = logging.getLogger(__name__)

RULES, MODEL, BOTH = "rules", "model", "both"
QUESTIONS_MIN: Final = 100  # fewer prove nothing
CHANCE_MAX: Final = 0.05  # that a policy which is no better than the rules looks so
FILE_NAME: Final = "recipe_choices.json"
_MODELS_MAX: Final = 100
_FILE_BYTES_MAX: Final = 1024 * 1024
# The rules are these sources, and so is what a model is told.
_SOURCES: Final = (
    "routing",
    "language",
    "codegen/recipes",
    "codegen/choosing",
    "codegen/profiling",
)


@dataclass(frozen=True, slots=True)
class Compared:
    """A policy beside the rules, question by question: answers right with all parameters."""

    right: int
    gained: int  # right where the rules are wrong
    lost: int  # wrong where the rules are right

    @property
    def is_better(self) -> bool:
        """Whether it beats the rules by more than chance: a one-sided sign test."""
        different = self.gained + self.lost
        tail = sum(math.comb(different, k) for k in range(self.gained, different + 1))
        return self.gained > self.lost and tail <= CHANCE_MAX * 2**different


@dataclass(frozen=True, slots=True)
class Measurement:
    """One model, measured against the rules with a digest."""

    model: str
    rules_digest: str
    questions: int
    rules_right: int
    compared: Mapping[str, Compared]  # by policy: MODEL, BOTH

    def policy(self) -> str:
        """Who shall choose: the best that is surely better than the rules, else the rules."""
        if self.rules_digest != rules_digest() or self.questions < QUESTIONS_MIN:
            return RULES
        better = {name: found.right for name, found in self.compared.items() if found.is_better}
        return max(better, key=lambda name: better[name], default=RULES)

    def right(self, policy: str) -> int:
        """How many questions a policy got right."""
        return self.rules_right if policy == RULES else self.compared[policy].right


class MeasurementFile:
    """The measurements by model, in a JSON file.

    Args:
        path: need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Measurement]:
        """All measurements; none, with a word in the log, when the file cannot be used."""
        try:
            with self._path.open("rb") as file:
                found = json.loads(file.read(_FILE_BYTES_MAX))
            return {key: _measurement(value) for key, value in found.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as cause:
            log.warning("%s cannot be used (%s): rules choose recipes", self._path, cause)
            return {}

    def keep(self, key: str, measurement: Measurement) -> None:
        """Add or replace a model's measurement; the oldest make room.

        Raises:
            OSError: the file cannot be written.
        """
        found = {name: value for name, value in self.read().items() if name != key}
        kept = dict([*found.items(), (key, measurement)][-_MODELS_MAX:])
        self._path.parent.mkdir(parents=True, exist_ok=True)
        written = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        text = json.dumps({name: asdict(value) for name, value in kept.items()}, indent=1)
        written.write_text(text + "\n", encoding="utf-8")
        written.replace(self._path)


def key_of(tier: ModelTier) -> str:
    """What a measurement belongs to: a model and where it runs; local ports change."""
    place = "local" if is_loopback(tier.base_url) else tier.address
    return f"{tier.model} at {place}"


@cache
def rules_digest() -> str:
    """A digest of the rules and of what models are told: their sources."""
    digest = hashlib.sha256()
    for folder in _SOURCES:
        sources = resources.files("capibara6").joinpath(folder).iterdir()
        for source in sorted(sources, key=lambda item: item.name):
            if source.name.endswith(".py"):
                digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


def _measurement(value: Mapping[str, Any]) -> Measurement:
    compared = {
        name: Compared(int(one["right"]), int(one["gained"]), int(one["lost"]))
        for name, one in value["compared"].items()
        if name in (MODEL, BOTH)
    }
    return Measurement(
        str(value["model"]),
        str(value["rules_digest"]),
        int(value["questions"]),
        int(value["rules_right"]),
        compared,
    )
