"""The workshop: takes orders for builds, runs a few at a time, and keeps what they made."""

import asyncio
import secrets
import shutil
import string
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from capibara6_sandbox.errors import (
    BadRequestError,
    ConflictError,
    NotFoundError,
    TooManySandboxesError,
)
from capibara6_sandbox.host.build_records import Build, OwnTemplate, Reason
from capibara6_sandbox.host.builds.library import INTERRUPTED, Library, new_build_id, now
from capibara6_sandbox.host.builds.limits import check_limits
from capibara6_sandbox.host.builds.making import Making, startup_of
from capibara6_sandbox.host.builds.names import DEFAULT_TAG, clean_tags, parse_name
from capibara6_sandbox.host.builds.recipe import Recipe
from capibara6_sandbox.host.builds.registries import RegistrySettings
from capibara6_sandbox.host.builds.stages import BuildError, Tools
from capibara6_sandbox.host.builds.uploads import Uploads
from capibara6_sandbox.host.foundry import Foundry
from capibara6_sandbox.host.key_records import TEAM_DEFAULT
from capibara6_sandbox.host.layer_space import LayerSpace
from capibara6_sandbox.host.shortages import shortage
from capibara6_sandbox.host.states import BuildState
from capibara6_sandbox.isolation.limits import MIB, Limits
from capibara6_sandbox.templates.catalog import TEMPLATES, Template

SPACE: Final = "templates"
STEP_TIMEOUT_S: Final = 3600.0
_RUNNING_MAX: Final = 20
_ORDER_LIFE: Final = timedelta(hours=1)
_AT_ONCE: Final = 2
_SUPERSEDED: Final = "The build was canceled because it was superseded by a newer one."
_NEVER_BEGUN: Final = "The build was ordered and not begun within an hour."
_CANCELLED: Final = "build was cancelled"
_FAULT: Final = "An internal error occurred; the log of the server says which."
_ID_ALPHABET: Final = string.ascii_lowercase + string.digits

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """What a server is told about builds."""

    step_timeout_s: float = STEP_TIMEOUT_S
    registries: RegistrySettings = field(default_factory=RegistrySettings)
    apt: Path | None = None  # what becomes /etc/apt in builds; None takes the host's sources


class Workshop:
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

    def own_templates(self, team: str = TEAM_DEFAULT) -> Sequence[OwnTemplate]:
        """Return all templates that a team built."""
        return self._tools.library.templates(team) if self._tools else []

    def order(
        self,
        text: str,
        tags: Sequence[str],
        cpu_count: int | None = None,
        memory_mb: int | None = None,
        disk_free_mb: int | None = None,
        team: str = TEAM_DEFAULT,
    ) -> tuple[OwnTemplate, Build]:
        """Take an order for a build, to be started with `begin`.

        Args:
            text: a name, perhaps with a tag.
            tags: further ones.
            cpu_count: of its sandboxes; None for the default, as of the next two.
            memory_mb: of its sandboxes.
            disk_free_mb: what its sandboxes may write at least.
            team: whose it is.

        Raises:
            BadRequestError: a name, tag or limit that cannot be.
            ConflictError: the name is one of this server's own templates.
            TooManySandboxesError: too many builds are unfinished.
        """
        name = parse_name(text)
        if name.alias in TEMPLATES:
            raise ConflictError(f"Alias '{name.alias}' is already used")
        wanted = clean_tags([*([name.tag] if name.tag else []), *tags]) or [DEFAULT_TAG]
        cpus, memory = check_limits(cpu_count, memory_mb)
        template = self.library.find(name.alias, team) or _new_template(name.alias, team)
        self._supersede(template, wanted)
        self._give_up_old_orders()
        self._check_room()
        build = Build(
            id=new_build_id(),
            template_id=template.id,
            tags=wanted,
            cpu_count=cpus,
            memory_mb=memory,
            disk_free_mb=max(disk_free_mb or 0, memory // 2),
            created_at=now(),
            updated_at=now(),
        )
        self.library.add(template, build)
        return template, build

    def _supersede(self, template: OwnTemplate, tags: list[str]) -> None:
        """Give up the builds that were ordered for the same tags, and not begun."""
        for build in self.library.builds(template):
            if build.status is BuildState.WAITING and set(build.tags) & set(tags):
                self.library.fail(build, Reason(message=_SUPERSEDED))

    def _give_up_old_orders(self) -> None:
        for build in self.library.all_builds():
            if build.status is BuildState.WAITING and now() - build.created_at > _ORDER_LIFE:
                self.library.fail(build, Reason(message=_NEVER_BEGUN))

    def _check_room(self) -> None:
        if len(self._running) >= _RUNNING_MAX:
            raise TooManySandboxesError(
                "you have reached the maximum number of concurrent template builds "
                f"({_RUNNING_MAX}). Please wait for existing builds to complete."
            )

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


def _new_template(alias: str, team: str) -> OwnTemplate:
    identifier = "".join(secrets.choice(_ID_ALPHABET) for _ in range(20))
    return OwnTemplate(id=identifier, alias=alias, created_at=now(), updated_at=now(), team=team)
