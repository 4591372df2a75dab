"""The keeper: starts sandboxes, knows them by id, and ends them.

Owns the pool, the id ranges and the processes that sandboxes are forked from. What clients may ask
for is decided in the gateway; what a machine is made of, in `machine`.
"""

import asyncio
import contextlib
import secrets
import string
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from capibara6_guest.wire import CallError
from capibara6_sandbox.errors import NotFoundError, StartError, TooManySandboxesError
from capibara6_sandbox.host.guest_client import GuestLostError
from capibara6_sandbox.host.instance import Instance, clean_up_after_dead, run_folder
from capibara6_sandbox.host.machine import Blueprint, Machine
from capibara6_sandbox.host.parents import Parents
from capibara6_sandbox.host.pool import Pool
from capibara6_sandbox.host.sandbox import Deadline, Request, Sandbox
from capibara6_sandbox.isolation.cgroups import Cgroup, Cgroups, find_cgroups
from capibara6_sandbox.isolation.identity import IDS_PER_SANDBOX, has_id_ranges
from capibara6_sandbox.templates.build import BuiltEnvironment, Progress, build
from capibara6_sandbox.templates.catalog import TEMPLATES, Template, environments

_ID_ALPHABET: Final = string.ascii_lowercase + string.digits
_ID_LENGTH: Final = 20
_FIRST_ID: Final = 1 << 30  # above every range that distributions hand out (/etc/subuid)
_RANGES: Final = 16_000

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KeeperSettings:
    """What a server is told at its start."""

    data: Path  # holds the built templates
    sandboxes_max: int = 1_000
    pool_size: int = 2  # ready sandboxes of each template in use
    warm_templates: tuple[str, ...] = ("code-interpreter-v1",)  # pooled from the start


class Keeper:
    """All sandboxes of this server."""

    def __init__(self, settings: KeeperSettings) -> None:
        self._settings = settings
        self._sandboxes: dict[str, Sandbox] = {}
        self._deadlines: dict[str, Deadline] = {}
        self._creating = 0  # asked for, and not among the sandboxes yet
        self._built: dict[str, BuiltEnvironment] = {}
        self._ranges = list(range(_RANGES, 0, -1))
        self._ending: set[asyncio.Task[None]] = set()
        self._instance: Instance | None = None
        self._parents: Parents | None = None
        self._cgroups: Cgroups | None = None
        self._pool = Pool(self._start, self._dispose, settings.pool_size)
        self.privileged = has_id_ranges()
        self.degraded: list[str] = []  # layers that this machine does not offer, for people

    async def start(self, progress: Progress) -> None:
        """Build what is missing, start the zygotes, and fill the pool.

        Raises:
            TemplateBuildError, ZygoteError, OSError: with what is missing on this machine.
        """
        parent = run_folder()
        clean_up_after_dead(parent, _log.warning)
        self._instance = Instance(parent)
        self._find_cgroups(self._instance.name)
        if not self.privileged:
            self._degrade("no ranges of ids: all sandboxes run under this server's own user id")
        await self._build_environments(progress)
        progress(0.9, "starting the zygotes")
        self._layers.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._parents = Parents(
            self._instance.view,
            self._templates,
            self._layers,
            self._built,
            privileged=self.privileged,
        )
        await self._parents.start()
        for name in self._settings.warm_templates:
            await self._pool.keep_ready(TEMPLATES[name])
        progress(1.0, "ready")

    @property
    def _templates(self) -> Path:
        return self._settings.data / "templates"

    @property
    def _layers(self) -> Path:
        return self._settings.data / "layers"

    def _find_cgroups(self, name: str) -> None:
        try:
            self._cgroups = find_cgroups(name)
        except OSError as cause:
            self._degrade(f"no cgroups ({cause}): only rlimits bound memory and processes")

    def _degrade(self, what: str) -> None:
        self.degraded.append(what)
        _log.warning("degraded", what=what)

    async def _build_environments(self, progress: Progress) -> None:
        loop = asyncio.get_running_loop()
        needed = environments()
        for number, environment in enumerate(needed):

            def report(fraction: float, message: str, number: int = number) -> None:
                done = 0.9 * (number + fraction) / len(needed)
                loop.call_soon_threadsafe(progress, done, message)

            built = await asyncio.to_thread(build, environment, self._templates, report)
            self._built[environment.name] = built

    async def create(self, request: Request) -> Sandbox:
        """Start a sandbox, or take a ready one, and give it to the client.

        Raises:
            TooManySandboxesError: the server's limit is reached.
            StartError: this machine refused something.
        """
        if len(self._sandboxes) + self._creating >= self._settings.sandboxes_max:
            raise TooManySandboxesError(
                f"{len(self._sandboxes)} sandboxes run, which is this server's limit. "
                "Kill one, or raise --max-sandboxes."
            )
        self._creating += 1
        try:
            sandbox = await self._pool.take(request.template)
        finally:
            self._creating -= 1
        sandbox.assign(request)
        self._sandboxes[sandbox.id] = sandbox
        self._deadlines[sandbox.id] = Deadline(sandbox, self._expire)
        return sandbox

    def get(self, sandbox_id: str) -> Sandbox:
        """Return a running sandbox.

        Raises:
            NotFoundError: there is none of this id.
        """
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None:
            raise NotFoundError(f"Sandbox {sandbox_id} was not found")
        return sandbox

    def all(self) -> Iterable[Sandbox]:
        """Return the running sandboxes, oldest first."""
        return list(self._sandboxes.values())

    def set_timeout(self, sandbox: Sandbox, timeout_s: float, *, only_longer: bool = False) -> None:
        """Let a sandbox end `timeout_s` from now."""
        if not only_longer or timeout_s > sandbox.remaining_s:
            sandbox.extend(timeout_s)
            self._deadlines[sandbox.id].renew()

    async def kill(self, sandbox_id: str) -> None:
        """End a sandbox. Its processes are gone when this returns.

        Raises:
            NotFoundError: there is none of this id.
        """
        sandbox = self.get(sandbox_id)
        await asyncio.shield(self._end(sandbox, "killed"))

    def _expire(self, sandbox: Sandbox) -> None:
        self._end(sandbox, "timeout")

    def _end(self, sandbox: Sandbox, why: str) -> "asyncio.Task[None]":
        """Forget a sandbox at once, and end it in a task that `stop` waits for."""
        self._sandboxes.pop(sandbox.id, None)
        deadline = self._deadlines.pop(sandbox.id, None)
        if deadline is not None:
            deadline.cancel()
        _log.info("sandbox_ended", sandbox_id=sandbox.id, why=why)
        task = asyncio.create_task(self._dispose(sandbox))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    async def _dispose(self, sandbox: Sandbox) -> None:
        try:
            await sandbox.machine.kill()
        except OSError as cause:  # a group that will not go; the next start tries again
            _log.error("sandbox_left_behind", sandbox_id=sandbox.id, cause=str(cause))
        index = (sandbox.machine.blueprint.uid_base - _FIRST_ID) // IDS_PER_SANDBOX
        self._ranges.append(index)

    async def _start(self, template: Template) -> Sandbox:
        """Start a sandbox that nobody owns yet."""
        if self._parents is None or self._instance is None:
            raise StartError("The server is stopping.")
        parents = self._parents
        nursery = await parents.nursery()
        machine = Machine(self._blueprint(template), self._instance.folder)
        sandbox = Sandbox(machine, parents)
        try:
            machine.cgroup = self._create_cgroup(machine.blueprint)
            await machine.start(nursery)
            await sandbox.start_default_contexts()
        except (OSError, CallError, GuestLostError) as cause:
            await asyncio.shield(self._dispose(sandbox))
            raise StartError(f"The sandbox could not start: {cause}") from None
        except BaseException:
            await asyncio.shield(self._dispose(sandbox))
            raise
        machine.when_ended(lambda: self._on_machine_end(sandbox))
        return sandbox

    def _create_cgroup(self, blueprint: Blueprint) -> Cgroup | None:
        if self._cgroups is None:
            return None
        return self._cgroups.create(blueprint.id, blueprint.template.limits)

    def _blueprint(self, template: Template) -> Blueprint:
        return Blueprint(
            id="".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH)),
            template=template,
            built=self._built[template.environment.name],
            uid_base=_FIRST_ID + self._ranges.pop() * IDS_PER_SANDBOX,
            privileged=self.privileged,
            layers=template.layers,
        )

    def _on_machine_end(self, sandbox: Sandbox) -> None:
        if sandbox.id in self._sandboxes:  # it ended by itself
            self._end(sandbox, "its first process ended")

    async def stop(self) -> None:
        """End everything. Idempotent; nothing is left on the machine afterwards."""
        parents, self._parents = self._parents, None
        for sandbox in await self._pool.close():
            self._end(sandbox, "server stopped")
        for sandbox in list(self._sandboxes.values()):
            self._end(sandbox, "server stopped")
        while self._ending:
            await asyncio.wait(self._ending)
        if parents is not None:
            await parents.close()
        if self._cgroups is not None:
            with contextlib.suppress(FileNotFoundError):
                await asyncio.to_thread(self._cgroups.close)
        if self._instance is not None:
            self._instance.close()
