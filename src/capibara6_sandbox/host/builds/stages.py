"""What a build is made with, and what it has come to."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from capibara6_sandbox.errors import LayerError
from capibara6_sandbox.host.build_records import Build, CachedStep, StepContext
from capibara6_sandbox.host.builds.library import Library
from capibara6_sandbox.host.builds.registries import RegistrySettings
from capibara6_sandbox.host.builds.system import System
from capibara6_sandbox.host.builds.uploads import Uploads
from capibara6_sandbox.host.foundry import Foundry
from capibara6_sandbox.host.layer_space import LayerSpace
from capibara6_sandbox.host.layers import layer_bytes, make_layer
from capibara6_sandbox.host.machine import Machine
from capibara6_sandbox.isolation.limits import MIB, Limits
from capibara6_sandbox.network.policy import EVERYTHING
from capibara6_sandbox.templates.catalog import Template

BASE_STEP: Final = "base"
SYSTEM_SPACE: Final = "system"  # the folder of layers that hold this host's system

DISK_BYTES: Final = 4096 * MIB  # that a step may write; it lies in memory while the step runs
_INODES: Final = 1 << 20
_PROCESSES: Final = 1024

Say = Callable[[str], None]


class BuildError(Exception):
    """A build failed at a step; the message is for the client."""

    def __init__(self, message: str, step: str | None) -> None:
        super().__init__(message)
        self.step = step


@dataclass(frozen=True, slots=True)
class Stage:
    """What a build has come to."""

    key: str
    environment: str
    layers: tuple[str, ...]
    context: StepContext


@dataclass(frozen=True, slots=True)
class Tools:
    """What builds are made with."""

    foundry: Foundry
    library: Library
    uploads: Uploads
    space: LayerSpace
    registries: RegistrySettings
    apt: Path | None  # what becomes /etc/apt; None takes the host's sources
    step_timeout_s: float
    disk_bytes: int  # that a step may write
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # one system layer is made at a time

    def cached(self, key: str, build: Build) -> CachedStep | None:
        """Return what a step made before for the same team, if it is still whole.

        Another team's may hold what this one could not have got, or what it did not ask for:
        names of archives are their clients' own, and images may need a password.
        """
        made, team = self.library.step(key), self.library.team_of(build.template_id)
        if made is None or self.library.team_of(made.template_id) != team:
            return None
        try:
            for name in made.layers:
                layer_bytes(self.space.layers, name)
        except LayerError:
            self.library.forget_step(key)
            return None
        return made

    async def system_layers(self, environment: str) -> tuple[str, ...]:
        """Return what lies below the steps of a build from one of our own templates.

        Raises:
            LayerError: it could not be made.
        """
        if not self.foundry.privileged:
            return ()
        system = System(self.foundry.built(environment), self.apt)
        async with self.turn:
            needed = self.library.layers()
            name = await asyncio.to_thread(self._make_system, system, needed)
        return (name,)

    def _make_system(self, system: System, needed: set[str]) -> str:
        """Make a system layer if it is not there, and remove earlier ones of its family."""
        folder = self.space.layers / SYSTEM_SPACE
        name = f"{system.family}-{system.version}"
        if not (folder / name).is_dir():
            make_layer(folder, name, system.fill)
            for old in folder.glob(f"{system.family}-*"):
                known = f"{SYSTEM_SPACE}/{old.name}"
                if not (old.name == name or known in needed or self.foundry.space.holds(known)):
                    shutil.rmtree(old, ignore_errors=True)
        return f"{SYSTEM_SPACE}/{name}"

    async def open(
        self, build: Build, environment: str, layers: tuple[str, ...], limits: Limits
    ) -> Machine:
        """Start a machine for steps of a build; whoever asked takes it back.

        Raises:
            BuildError: its base is not here any more.
            StartError: this machine refused something.
        """
        found = self.foundry.environment(environment)
        if found is None:
            text = "error getting base template, you may need to rebuild it first"
            raise BuildError(text, BASE_STEP)
        template = Template(f"build-{build.id}", found, limits, layers=layers)
        machine = await self.foundry.make(template, layers)
        try:
            await self.foundry.apply_policy(machine, EVERYTHING)
        except BaseException:
            await asyncio.shield(self.foundry.take_back(machine))
            raise
        return machine

    @contextlib.asynccontextmanager
    async def machine(
        self, build: Build, environment: str, layers: tuple[str, ...], limits: Limits
    ) -> AsyncIterator[Machine]:
        """Have a machine as of `open` for as long as the block lasts."""
        machine = await self.open(build, environment, layers, limits)
        try:
            yield machine
        finally:
            await asyncio.shield(self.foundry.take_back(machine))

    async def save(self, machine: Machine) -> tuple[str, ...]:
        """Save what a machine has written; return all layers it stands on now.

        Raises:
            LayerError: it could not be saved.
        """
        nursery = await self.foundry.parents.nursery()
        blueprint = machine.blueprint
        saved = await self.space.save(
            nursery, machine.layer_fd, blueprint.uid_base, blueprint.layers
        )
        await self.space.settle()
        return saved


def working_limits(build: Build, disk_bytes: int) -> Limits:
    """Return what a machine for a step may use, besides the disk that lies in its memory."""
    memory = max(build.memory_mb, 512) * MIB + disk_bytes
    return Limits(memory, max(1, build.cpu_count), _PROCESSES, disk_bytes, _INODES)
