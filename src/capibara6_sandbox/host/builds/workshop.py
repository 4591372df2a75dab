"""The workshop: takes orders for builds, runs a few at a time, and keeps what they made."""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from capibara6_sandbox.errors import (
    BadRequestError,
    ConflictError,
    NotFoundError,
)
from capibara6_sandbox.host.build_records import Build, OwnTemplate, Reason
from capibara6_sandbox.host.builds.library import INTERRUPTED, Library, now
from capibara6_sandbox.host.builds.making import Making, startup_of
from capibara6_sandbox.host.builds.names import DEFAULT_TAG, parse_name
from capibara6_sandbox.host.builds.orders import Orders
from capibara6_sandbox.host.builds.recipe import Recipe
from capibara6_sandbox.host.builds.registries import RegistrySettings
from capibara6_sandbox.host.builds.stages import DISK_BYTES, BuildError, Tools
from capibara6_sandbox.host.builds.uploads import Uploads
from capibara6_sandbox.host.foundry import Foundry
from capibara6_sandbox.host.key_records import TEAM_DEFAULT
from capibara6_sandbox.host.layer_space import LayerSpace
from capibara6_sandbox.host.shortages import shortage
from capibara6_sandbox.host.states import BuildState
from capibara6_sandbox.isolation.limits import MIB, Limits
from capibara6_sandbox.templates.catalog import Template

SPACE: Final = "templates"
STEP_TIMEOUT_S: Final = 3600.0
_AT_ONCE: Final = 2
_CANCELLED: Final = "build was cancelled"
_FAULT: Final = "An internal error occurred; the log of the server says which."

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """What a server is told about builds."""

    step_timeout_s: float = STEP_TIMEOUT_S
    disk_bytes: int = DISK_BYTES  # that a step may write
    registries: RegistrySettings = field(default_factory=RegistrySettings)
    apt: Path | None = None  # what becomes /etc/apt in builds; None takes the host's sources


class Workshop(Orders):
    """Builds templates, and knows those that were built.

    Args:
        foundry: makes the machines.
        in_use: returns the templates of all sandboxes, running and paused.
        settings: what builds may use.
    """

    def __init__(
        self,
        foundry: Foundry,
        in_use: Callable[[], Iterable[Template]],
        settings: BuildSettings,
    ) -> None:
        self._foundry = foundry
        self._in_use = in_use
        self._settings = settings
        self._running: dict[str, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._tools: Tools | None = None
        self._stopping = False

    async def start(self) -> None:
        """Find what was built before. Without effect where another server builds here."""
        folder: Path = self._foundry.data
        try:
            space = LayerSpace(folder / "layers", SPACE)
        except BlockingIOError:
            _log.warning("builds_refused", what=f"another server builds templates in {folder}")
            return
        library = Library(folder / "own-templates")
        uploads = Uploads(folder / "uploads")
        shutil.rmtree(folder / "pulls", ignore_errors=True)  # of a server that was killed
        self._tools = Tools(
            self._foundry,
            library,
            uploads,
            space,
            self._settings.registries,
            self._settings.apt,
            self._settings.step_timeout_s,
            self._settings.disk_bytes,
        )
        await self._collect()

    @property
    def _made_with(self) -> Tools:
        if self._tools is None:
            raise ConflictError(
                "Another server builds templates in this data folder. "
                "Give each server a --data of its own."
            )
        return self._tools

    @property
    def library(self) -> Library:
        """What was built.

        Raises:
            ConflictError: another server holds it.
        """
        return self._made_with.library

    @property
    def uploads(self) -> Uploads:
        """The archives for COPY steps."""
        return self._made_with.uploads

    @property
    def busy(self) -> bool:
        """Whether a build is under way."""
        return bool(self._running)

    def own_templates(self, team: str = TEAM_DEFAULT) -> Sequence[OwnTemplate]:
        """Return all templates that a team built."""
        return self._tools.library.templates(team) if self._tools else []

    def begin(
        self, template_id: str, build_id: str, recipe: Recipe, team: str = TEAM_DEFAULT
    ) -> None:
        """Begin an ordered build; one for the same tags that runs is cancelled.

        Raises:
            NotFoundError: there is no such build.
            BadRequestError: it was begun before.
        """
        build = self.library.build(template_id, build_id, team)
        if build is None:
            raise NotFoundError(f"Error when getting template: no build {build_id[:80]!r} of it")
        if build.status is not BuildState.WAITING:
            raise BadRequestError("build is not in waiting state")
        template = self.library.get(template_id, team)
        for other in self.library.builds(template):
            if other.id in self._running and set(other.tags) & set(build.tags):
                self._running[other.id].cancel()
        self.library.settle(build, BuildState.BUILDING)
        task = asyncio.create_task(self._run(build, recipe))
        self._running[build.id] = task
        task.add_done_callback(lambda _: self._running.pop(build.id, None))

    async def _run(self, build: Build, recipe: Recipe) -> None:
        log = self.library.log(build)
        begun = time.monotonic()
        try:
            async with self._places:
                log.add(f"Building template {build.template_id}/{build.id}")
                await Making(self._made_with, build, recipe, log).run()
            self.library.settle(build, BuildState.READY)
        except BuildError as cause:
            self._fail(build, Reason(message=str(cause), step=cause.step))
        except asyncio.CancelledError:
            self._fail(build, Reason(message=INTERRUPTED if self._stopping else _CANCELLED))
            raise
        except Exception as cause:  # noqa: BLE001 - its client must not wait for ever
            _log.exception("build_fault", build_id=build.id)
            self._fail(build, Reason(message=shortage(cause) or _FAULT))
        else:
            log.add(f"Build finished, took {time.monotonic() - begun:.1f}s")
            self.library.close_log(build)

    def _fail(self, build: Build, reason: Reason) -> None:
        self.library.log(build).add(
            f"Build failed: {reason.message}", level="error", step=reason.step
        )
        self.library.fail(build, reason)
        self.library.close_log(build)

    def resolve(self, text: str, team: str = TEAM_DEFAULT) -> Template | None:
        """Return what a team may start sandboxes of, by alias or id, perhaps with a tag.

        Raises:
            NotFoundError: the template has no such tag, or no finished build.
        """
        name = parse_name(text)
        template = self._tools.library.usable(name.alias, team) if self._tools else None
        if template is None:
            return None
        build = self.library.ready_build(template, name)
        if build is None:
            tag = name.tag or DEFAULT_TAG
            raise NotFoundError(f"tag '{tag}' does not exist for template '{template.alias}'")
        return self._template(template, build)

    def _template(self, template: OwnTemplate, build: Build) -> Template:
        environment = self._foundry.environment(build.environment)
        if environment is None:
            raise NotFoundError(f"template '{template.alias}' needs '{build.environment}'")
        limits = Limits(build.memory_mb * MIB, build.cpu_count, disk_bytes=build.disk_bytes)
        return Template(
            template.id,
            environment,
            limits,
            layers=build.layers,
            user=build.context.user,
            workdir=build.context.workdir,
            startup=startup_of(build),
            env=tuple(build.context.env.items()),
            alias=template.alias,
        )

    def note_use(self, template_id: str) -> None:
        """Count a sandbox that was started of a template."""
        template = self._tools.library.by_id(template_id) if self._tools else None
        if template is not None:
            template.spawn_count += 1
            template.last_spawned_at = now()
            try:
                self.library.write(template)
            except OSError as cause:  # a count is no reason to refuse a sandbox that was started
                _log.error("use_not_counted", template_id=template_id, cause=str(cause))

    async def remove(self, text: str, team: str = TEAM_DEFAULT) -> bool:
        """Delete a team's template with its builds; return False if there is none.

        Raises:
            BadRequestError: sandboxes of it run or are paused.
        """
        alias = parse_name(text).alias
        template = self._tools.library.find(alias, team) if self._tools else None
        if template is None:
            return False
        if any(used.name == template.id for used in self._in_use()):
            raise BadRequestError(
                f"cannot delete template '{template.id}' because there are running or paused "
                "sandboxes using it"
            )
        tasks = [
            self._running[b.id] for b in self.library.builds(template) if b.id in self._running
        ]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self.library.remove(template)
        await self._collect()
        return True

    async def _collect(self) -> None:
        """Remove layers on which nothing stands; while a build runs, none.

        Nor where a build's record is damaged: it may be mended, and what stands on what is unknown.
        """
        tools = self._made_with
        if self._running or tools.library.damaged:
            return
        kept = tools.library.layers()
        stray = [
            name
            for name in tools.space.everything()
            if name not in kept and not self._foundry.space.holds(name)
        ]
        if stray:
            await tools.space.discard(await self._foundry.parents.nursery(), stray)

    async def stop(self) -> None:
        """End the builds that run. Idempotent."""
        self._stopping = True
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._tools is not None:
            self._tools.space.close()
