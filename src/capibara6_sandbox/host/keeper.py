"""The keeper: knows all sandboxes by id, creates them, and ends them when their time is over."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, Final

import structlog

from capibara6_sandbox.errors import ConflictError, NotFoundError, SandboxServerError
from capibara6_sandbox.host.builds.workshop import Workshop
from capibara6_sandbox.host.deadlines import Deadlines
from capibara6_sandbox.host.errands import heed
from capibara6_sandbox.host.foundry import Foundry
from capibara6_sandbox.host.history import Sampler
from capibara6_sandbox.host.journal import Journal
from capibara6_sandbox.host.keeper_settings import KeeperSettings
from capibara6_sandbox.host.keys import FOLDER, KeyRing
from capibara6_sandbox.host.last_pause import gets_more_time
from capibara6_sandbox.host.lifecycle import Lifecycle
from capibara6_sandbox.host.machine import Machine
from capibara6_sandbox.host.past_usage import PastUsage, Used
from capibara6_sandbox.host.paused import is_lost, recall
from capibara6_sandbox.host.pool import Pool
from capibara6_sandbox.host.records import Records, SandboxRecord, SnapshotRecord
from capibara6_sandbox.host.roll import Roll
from capibara6_sandbox.host.sandbox import Request, Sandbox
from capibara6_sandbox.host.snapshots import Snapshots
from capibara6_sandbox.host.starting import Starter
from capibara6_sandbox.host.states import State
from capibara6_sandbox.host.stems import Kernels, Stems
from capibara6_sandbox.templates.build import Progress
from capibara6_sandbox.templates.catalog import TEMPLATES

AUTO_RESUME_S_MIN: Final = 300  # what traffic wakes lives at least so long, as in E2B's cloud

_log = structlog.get_logger()


class Keeper(Roll):
    """All sandboxes of this server, and their lives."""

    def __init__(self, settings: KeeperSettings) -> None:
        super().__init__()
        self._settings = settings
        self.foundry = Foundry(settings.data, settings.network)
        self.journal = Journal()
        self.foundry.on_network_limit = partial(self.journal.note_limit, self._sandboxes)
        self.past_usage = PastUsage()
        self.keys = KeyRing(settings.data / FOLDER)
        self._deadlines = Deadlines(lambda sandbox: self._track(self._expired(sandbox)))
        self._tasks: set[asyncio.Task[None]] = set()
        self._sampling: asyncio.Task[None] | None = None
        self._starter = Starter(self.foundry, self._watch)
        start, dispose = self._starter.start, self._starter.dispose
        self._pool = Pool(start, dispose, settings.pool_bounds)
        self.stems = Stems(self.foundry, start, dispose, settings.stems_bytes_max)
        self._lifecycle: Lifecycle | None = None
        self._snapshots: Snapshots | None = None
        self.workshop = Workshop(
            self.foundry,
            lambda: [sandbox.template for sandbox in self._sandboxes.values()],
            settings.builds,
        )

    async def start(self, progress: Progress) -> None:
        """Build what is missing, start the zygotes, find what was paused, and fill the pool.

        Raises:
            TemplateBuildError, ZygoteError, OSError: with what is missing on this machine.
        """
        await self.foundry.start(progress)
        records = Records(self.foundry.space.folder / ".paused", SandboxRecord)
        self._lifecycle = Lifecycle(self.foundry, records, self._watch)
        for record in records.load():
            self._find_again(record)
        saved = Records(self.foundry.space.folder / ".snapshots", SnapshotRecord)
        self._snapshots = Snapshots(saved)
        for snapshot in self.snapshots.all():
            self.foundry.space.hold(snapshot.layers)
        await self.foundry.remove_strays(complete=not (records.damaged or saved.damaged))
        await self.workshop.start()
        for name in self._settings.warm_templates:
            await self._pool.keep_ready(self._settings.isolations.settle(TEMPLATES[name]))
        self._sampling = asyncio.create_task(Sampler(self.all).run())
        progress(1.0, "ready")

    @property
    def lifecycle(self) -> Lifecycle:
        """The steps of sandboxes' lives."""
        assert self._lifecycle is not None, "the keeper has been started"
        return self._lifecycle

    @property
    def snapshots(self) -> Snapshots:
        """What sandboxes were saved as."""
        assert self._snapshots is not None, "the keeper has been started"
        return self._snapshots

    def _find_again(self, record: SandboxRecord) -> None:
        """Take up a sandbox that an earlier run of this server paused, if it is whole."""
        if is_lost(record):
            self.lifecycle.drop(record)
        elif (sandbox := recall(self.foundry, record)) is not None:
            self.journal.open(sandbox.id, record.team)
            self._sandboxes[sandbox.id] = sandbox

    async def create(
        self, request: Request, kernels: Kernels | None = None, origin: Machine | None = None
    ) -> Sandbox:
        """Start a sandbox, or take a ready one, and give it to the client.

        Args:
            request: what the client asks for.
            kernels: gives it its kernels; without, it gets fresh ones.
            origin: the machine that it shall be a live fork of.

        Raises:
            BadRequestError: its policy cannot be had here.
            TooManySandboxesError: the server's limit is reached.
            StartError: this machine refused something.
        """
        request = replace(request, template=self._settings.isolations.settle(request.template))
        await self.foundry.check_policy(request.policy)
        most, of_key_max = self._settings.sandboxes_max, self.keys.limits(request.key_id).sandboxes
        with self._place(request.key_id, most, of_key_max):
            sandbox = await self._take(request, kernels, origin)
        sandbox.assign(request)
        try:
            sandbox.machine.resize(request.template)
            await sandbox.mount_volumes(self.foundry.volumes)
            await self.foundry.apply_policy(
                sandbox.machine, request.policy, sandbox.env, request.team
            )
        except BaseException:
            await asyncio.shield(self._starter.dispose(sandbox))
            raise
        self._sandboxes[sandbox.id] = sandbox
        self._deadlines.set(sandbox)
        self.journal.open(sandbox.id, request.team)
        self.journal.note(sandbox.id, "Sandbox created", end_time=sandbox.ends_at.isoformat())
        return sandbox

    async def _take(
        self, request: Request, kernels: Kernels | None, origin: Machine | None
    ) -> Sandbox:
        """Return a ready sandbox; of what clients made, which may be much, none waits."""
        template = request.template
        volumes = request.volumes_at_start(self.foundry.volumes)
        if template.layers or kernels or volumes or template.name not in TEMPLATES:
            return await self._starter.start(template, kernels, origin, volumes)
        return await self._pool.take(template)

    async def reach(self, sandbox_id: str) -> Sandbox:
        """Return a sandbox for traffic, which wakes it where its lifecycle says so.

        Raises:
            NotFoundError: there is none of this id, or it is paused.
            StartError: it could not be woken.
        """
        sandbox = self.find(sandbox_id)
        if sandbox.state is State.RUNNING:
            return sandbox
        if sandbox.request.auto_resume and sandbox.has_machine:
            await self.resume(sandbox, max(sandbox.request.timeout_s, AUTO_RESUME_S_MIN))
        elif sandbox.state in (State.SNAPSHOTTING, State.RESUMING):
            async with sandbox.turn:  # it runs in a moment
                pass
        return self.get(sandbox_id)

    def set_timeout(self, sandbox: Sandbox, timeout_s: float, *, only_longer: bool = False) -> None:
        """Let a running sandbox end `timeout_s` from now."""
        if not only_longer or timeout_s > sandbox.remaining_s:
            sandbox.extend(timeout_s)
            self._deadlines.renew(sandbox)

    async def pause(self, sandbox: Sandbox, *, memory: bool) -> None:
        """Pause a running sandbox; its time stands still.

        Raises:
            ConflictError, NotFoundError, StartError: as of `Lifecycle.pause`.
        """
        await asyncio.shield(self._track(self._pause(sandbox, memory=memory)))

    async def _pause(self, sandbox: Sandbox, *, memory: bool) -> None:
        await self.journal.collect(sandbox)  # a paused agent answers nobody
        self.journal.note(sandbox.id, "Pausing sandbox")
        await self.lifecycle.pause(sandbox, memory=memory)
        if sandbox.state is State.PAUSED:
            self._deadlines.cancel(sandbox)
            self.journal.note(sandbox.id, "Sandbox paused")

    async def resume(self, sandbox: Sandbox, timeout_s: float, *, memory: bool = True) -> bool:
        """Let a paused sandbox go on for `timeout_s`; return False if it runs already.

        Raises:
            NotFoundError, StartError: as of `Lifecycle.resume`.
        """
        resumed = await self.lifecycle.resume(sandbox, timeout_s, memory=memory)
        if resumed and sandbox.state is State.RUNNING:
            self._deadlines.set(sandbox)
            self.journal.note(sandbox.id, "Sandbox resumed", end_time=sandbox.ends_at.isoformat())
        return resumed

    async def kill(self, sandbox_id: str, team: str | None = None) -> None:
        """End a sandbox. Its processes are gone when this returns.

        Raises:
            NotFoundError: there is none of this id.
        """
        sandbox = self.find(sandbox_id, team)
        await asyncio.shield(self._end(sandbox, "killed"))

    async def _expired(self, sandbox: Sandbox) -> None:
        async with sandbox.turn:  # a pause or a snapshot that began in time is not cut short
            if sandbox.state is not State.RUNNING or sandbox.remaining_s > 0:
                return
            if not sandbox.request.auto_pause:
                self._end(sandbox, "timeout")
                return
        await self._pause_expired(sandbox)

    async def _pause_expired(self, sandbox: Sandbox) -> None:
        try:
            await self._pause(sandbox, memory=sandbox.request.auto_pause_memory)
        except (ConflictError, NotFoundError):
            return  # a client was quicker
        except SandboxServerError as cause:
            if gets_more_time(sandbox, cause, self.journal):
                self.set_timeout(sandbox, sandbox.request.timeout_s)
            else:
                self._end(sandbox, "cannot be paused")

    def _end(self, sandbox: Sandbox, why: str) -> "asyncio.Task[None]":
        """Forget a sandbox at once, and end it in a task that `stop` waits for."""
        self._sandboxes.pop(sandbox.id, None)
        self._deadlines.cancel(sandbox)
        _log.info("sandbox_ended", sandbox_id=sandbox.id, why=why)
        self.past_usage.keep(sandbox.id, Used(sandbox.template.limits, sandbox.history))
        self.journal.note(sandbox.id, "Killing sandbox", kill_reason=why)
        sandbox.step(State.ENDED)
        return self._track(self._clear(sandbox))

    async def _clear(self, sandbox: Sandbox) -> None:
        await self.journal.collect(sandbox)
        await self._starter.dispose(sandbox)
        self.journal.note(sandbox.id, "Sandbox stopped")
        self.journal.close(sandbox.id)
        async with sandbox.turn:  # what is under way finds it ended
            await self.lifecycle.forget(sandbox)

    def _track(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(heed)
        return task

    def _watch(self, sandbox: Sandbox, machine: Machine) -> None:
        machine.when_ended(lambda: self._on_machine_end(sandbox, machine))

    def _on_machine_end(self, sandbox: Sandbox, machine: Machine) -> None:
        if sandbox.id not in self._sandboxes or not sandbox.runs_on(machine):
            return
        if sandbox.saved:  # it is paused: no more than its memory is lost
            _log.warning("paused_memory_lost", sandbox_id=sandbox.id)
            self.journal.note(sandbox.id, "Memory lost, files kept")
            self._track(self._starter.dispose(sandbox))
        else:
            self._end(sandbox, machine.reason)

    async def stop(self) -> None:
        """End everything; what is paused stays on disk. Idempotent."""
        if self._sampling is not None:
            self._sampling.cancel()
        await self.workshop.stop()
        for sandbox in await self._pool.close():
            self._track(self._starter.dispose(sandbox))
        for sandbox in list(self._sandboxes.values()):
            if sandbox.state is State.PAUSED and self.foundry.keeps:
                self._track(self._put_away(sandbox))
            else:
                self._end(sandbox, "server stopped")
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._lifecycle is not None:
            await self._lifecycle.finish()
        await self.stems.close()
        self._sandboxes.clear()
        await self.foundry.stop()

    async def _put_away(self, sandbox: Sandbox) -> None:
        """Leave a paused sandbox's files to the next run of this server."""
        try:
            await self.lifecycle.put_away(sandbox)
        except SandboxServerError as cause:
            _log.error("paused_sandbox_lost", sandbox_id=sandbox.id, cause=str(cause))
            await self._end(sandbox, "server stopped")
