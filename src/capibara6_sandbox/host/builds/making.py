"""The story of one build: base, steps, start. Each step runs in a sandbox over what was before.

What a step writes is saved as a layer under the digest of all that it depends on, so that the same
step after the same ones is not run again.
"""

import asyncio
from dataclasses import replace
from typing import Final

from capibara6_sandbox.errors import LayerError, StartError
from capibara6_sandbox.host.build_records import Build, CachedStep, StepContext
from capibara6_sandbox.host.builds.images import ImageBase, own_template_for
from capibara6_sandbox.host.builds.instructions import Site, StepError, carry_out
from capibara6_sandbox.host.builds.log import BuildLog
from capibara6_sandbox.host.builds.names import parse_name
from capibara6_sandbox.host.builds.recipe import Recipe, Step, base_key, step_key
from capibara6_sandbox.host.builds.stages import (
    BASE_STEP,
    BuildError,
    Stage,
    Tools,
    working_limits,
)
from capibara6_sandbox.host.key_records import TEAM_DEFAULT
from capibara6_sandbox.host.layers import layer_bytes
from capibara6_sandbox.host.machine import Machine
from capibara6_sandbox.host.programs import ProgramFailedError
from capibara6_sandbox.host.startup import start_up
from capibara6_sandbox.isolation.limits import MIB, Limits
from capibara6_sandbox.templates.catalog import TEMPLATES, Startup, absence

FINALIZE_STEP: Final = "finalize"
_FILELESS: Final = ("ENV", "ARG")


def startup_of(build: Build) -> Startup | None:
    """Return what runs in every new sandbox of a build."""
    if not build.start_cmd and not build.ready_cmd:
        return None
    context = build.context
    env = tuple(context.env.items())
    return Startup(build.start_cmd, build.ready_cmd, context.user, context.workdir, env)


class Making:
    """One build under way; use `run` once."""

    def __init__(self, tools: Tools, build: Build, recipe: Recipe, log: BuildLog) -> None:
        self._tools = tools
        self._build = build
        self._recipe = recipe
        self._log = log
        self._machine: Machine | None = None  # over the layers of the stage before
        self._place = ""  # which step is under way, as the log names it
        self._step: str | None = None

    async def run(self) -> None:
        """Make everything, and note in the build what was made.

        Raises:
            BuildError: a step failed.
        """
        try:
            stage = await self._base()
            force = self._recipe.force
            for number, step in enumerate(self._recipe.steps, 1):
                force = force or step.force
                self._place = f"builder {number}/{len(self._recipe.steps)}"
                self._step = str(number)
                stage = await self._make_stage(stage, step, force=force)
            await self._finish(stage)
        except (StartError, LayerError) as cause:
            raise BuildError(str(cause), self._step) from None
        finally:
            await asyncio.shield(self._drop_machine())

    async def _base(self) -> Stage:
        self._step = BASE_STEP
        recipe = self._recipe
        if bool(recipe.fromImage) == bool(recipe.fromTemplate):
            text = "Exactly one of fromImage or fromTemplate must be given and non-empty"
            raise BuildError(text, BASE_STEP)
        self._say(f"[base] FROM {recipe.fromTemplate or recipe.fromImage}")
        name = recipe.fromTemplate or own_template_for(recipe.fromImage or "")
        if not name:
            return await ImageBase(self._tools, self._build, recipe, self._say).stage()
        if name in TEMPLATES:
            environment, context = TEMPLATES[name].environment.name, StepContext()
            layers = await self._tools.system_layers(environment)
            if not layers:
                self._say(
                    "[base] The server is no root: no step can change /usr or install with apt"
                )
        else:
            environment, layers, context = self._from_own(name)
        return Stage(base_key(environment, layers, context), environment, layers, context)

    def _from_own(self, text: str) -> tuple[str, tuple[str, ...], StepContext]:
        name = parse_name(text)
        library = self._tools.library
        team = library.team_of(self._build.template_id) or TEAM_DEFAULT
        template = library.usable(name.alias, team)
        if template is None:
            raise BuildError(absence(name.alias) or f"template '{text}' not found", BASE_STEP)
        base = self._tools.library.ready_build(template, name)
        if base is None:
            text = "error getting base template, you may need to rebuild it first"
            raise BuildError(text, BASE_STEP)
        self._build.start_cmd, self._build.ready_cmd = base.start_cmd, base.ready_cmd
        return base.environment, base.layers, base.context

    async def _make_stage(self, stage: Stage, step: Step, *, force: bool) -> Stage:
        key = step_key(stage.key, step)
        made = None if force else self._tools.cached(key, self._build)
        prefix = "CACHED " if made else ""
        self._say(f"{prefix}[{self._place}] {step.text} [{key[:12]}]")
        if made is not None:
            await self._drop_machine()
            return replace(stage, key=key, layers=made.layers, context=made.context)
        context = await self._carry_out(stage, step)
        layers = stage.layers
        if step.kind not in _FILELESS:
            layers = await self._save()
        cached = CachedStep(
            id=key, template_id=self._build.template_id, layers=layers, context=context
        )
        self._tools.library.keep_step(cached)
        return replace(stage, key=key, layers=layers, context=context)

    async def _carry_out(self, stage: Stage, step: Step) -> StepContext:
        if self._machine is None:
            self._machine = await self._tools.open(
                self._build,
                stage.environment,
                stage.layers,
                working_limits(self._build, self._tools.disk_bytes),
            )
        timeout_s = self._tools.step_timeout_s
        team = self._tools.library.team_of(self._build.template_id) or TEAM_DEFAULT
        site = Site(self._machine.guest, self._tools.uploads, self._hear, timeout_s, team)
        try:
            return await carry_out(site, step, stage.context)
        except StepError as cause:
            raise BuildError(str(cause), self._step) from None

    async def _save(self) -> tuple[str, ...]:
        assert self._machine is not None
        layers = await self._tools.save(self._machine)
        await self._drop_machine()
        return layers

    async def _drop_machine(self) -> None:
        machine, self._machine = self._machine, None
        if machine is not None:
            await self._tools.foundry.take_back(machine)

    async def _finish(self, stage: Stage) -> None:
        self._step, self._place = FINALIZE_STEP, FINALIZE_STEP
        await self._drop_machine()
        build, recipe = self._build, self._recipe
        build.environment, build.layers = stage.environment, stage.layers
        build.context = stage.context
        stored = sum(layer_bytes(self._tools.space.layers, name) for name in stage.layers)
        build.disk_bytes = build.disk_free_mb * MIB + stored
        if recipe.startCmd or recipe.readyCmd:
            build.start_cmd, build.ready_cmd = recipe.startCmd or "", recipe.readyCmd or ""
        startup = startup_of(build)
        if startup is not None:
            limits = Limits(build.memory_mb * MIB, build.cpu_count, disk_bytes=build.disk_bytes)
            where = stage.environment, stage.layers, limits
            async with self._tools.machine(build, *where) as machine:
                await self._try_start(machine, startup)

    async def _try_start(self, machine: Machine, startup: Startup) -> None:
        """Start as every sandbox will, so that a command that fails fails the build."""
        if startup.command:
            self._say(f"Running start command: {startup.command}")
        if startup.ready:
            self._say(f"Waiting for template to be ready: {startup.ready}")
        try:
            await start_up(machine.guest, startup, self._hear)
        except ProgramFailedError as cause:
            raise BuildError(str(cause), FINALIZE_STEP) from None
        self._say("Template is ready")

    def _hear(self, stream: str, line: str) -> None:
        if line.strip():
            self._say(f"[{self._place}] [{stream}]: {line.strip()}")

    def _say(self, message: str) -> None:
        self._log.add(message, step=self._step)
