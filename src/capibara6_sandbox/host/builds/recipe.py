"""What a client asks a build to do, and what a step's result depends on."""

import hashlib
import json
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from capibara6_sandbox.host.build_records import StepContext
from capibara6_sandbox.host.builds.registries import Credentials

STEPS_MAX: Final = 500
_FORMAT: Final = "1"  # raise it when the same step would make something else


class Step(BaseModel):
    """One instruction."""

    model_config = ConfigDict(extra="ignore")
    type: str
    args: list[str] = Field(default_factory=list)
    filesHash: str = ""  # noqa: N815 - a name of the wire
    force: bool = False

    @property
    def kind(self) -> str:
        """Its type, as instructions are looked up by."""
        return self.type.upper()

    @property
    def text(self) -> str:
        """The step as build logs show it."""
        return f"{self.kind} {' '.join(self.args)}"[:2000]


class Recipe(BaseModel):
    """The body of the call that starts a build."""

    model_config = ConfigDict(extra="ignore")
    fromImage: str | None = None  # noqa: N815
    fromTemplate: str | None = None  # noqa: N815
    fromImageRegistry: Credentials | None = Field(default=None, repr=False)  # noqa: N815
    force: bool = False
    steps: list[Step] = Field(default_factory=list, max_length=STEPS_MAX)
    startCmd: str | None = None  # noqa: N815
    readyCmd: str | None = None  # noqa: N815


def base_key(environment: str, layers: tuple[str, ...], context: StepContext) -> str:
    """Return the digest of what a build starts from."""
    return _digest(_FORMAT, environment, *layers, context.model_dump_json())


def image_key(name: str, machine: str) -> str:
    """Return the digest of an image as it is asked for."""
    return _digest(_FORMAT, "image", name, machine)


def layer_key(before: str, digest: str) -> str:
    """Return the digest of a layer of an image and of all below it."""
    return _digest(_FORMAT, "layer", before, digest)


def step_key(before: str, step: Step) -> str:
    """Return the digest of a step and of all before it."""
    return _digest(before, step.kind, json.dumps(step.args), step.filesHash)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
