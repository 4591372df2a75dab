"""Copies of sandboxes: snapshots, and forks, which are sandboxes started from one at once."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import structlog

from capibara6_sandbox.errors import (
    BadRequestError,
    LayerError,
    NotFoundError,
    SandboxServerError,
    StartError,
)
from capibara6_sandbox.host.foundry import new_id
from capibara6_sandbox.host.guest_client import GuestLostError
from capibara6_sandbox.host.keeper import Keeper
from capibara6_sandbox.host.kernel_carrying import depart, obstacle, start_fresh
from capibara6_sandbox.host.key_records import TEAM_DEFAULT
from capibara6_sandbox.host.records import SnapshotRecord, TemplateRecord
from capibara6_sandbox.host.sandbox import Request, Sandbox
from capibara6_sandbox.host.snapshots import DEFAULT_TAG, Reference, Snapshots
from capibara6_sandbox.isolation.runtimes import is_container
from capibara6_sandbox.templates.catalog import TEMPLATES, Template

_AT_ONCE: Final = 4  # forks that start at the same time

_log = structlog.get_logger()

Outcome = Sandbox | SandboxServerError


@dataclass(frozen=True, slots=True)
class Origin:
    """What a client's new sandbox is made of."""

    template: Template
    env: Mapping[str, str] = field(default_factory=dict)
    snapshot_id: str = ""  # "" if it is none of a snapshot


class Copies:
    """Makes copies of sandboxes, and knows the snapshots.

    Args:
        keeper: all sandboxes.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._foundry = keeper.foundry

    @property
    def snapshots(self) -> Snapshots:
        """All snapshots."""
        return self._keeper.snapshots

    async def take(self, sandbox: Sandbox, name: str | None) -> SnapshotRecord:
        """Save a running sandbox's files as a snapshot.

        Args:
            sandbox: which; it is held still for as long as that takes.
            name: "name" or "name:tag" that it shall have; None for its id alone.

        Raises:
            BadRequestError: a name that cannot be, or a container runtime runs it.
            NotFoundError: it does not run.
            StartError: its files could not be saved.
        """
        reference = Reference.parse(name) if name is not None else Reference("", "")
        if reference.name in TEMPLATES:
            raise BadRequestError(f"'{reference.name}' is the name of a template.")
        _refuse_containers(sandbox, "saved as a snapshot")
        self._keeper.journal.note(sandbox.id, "Checkpointing sandbox")
        layers = await self._keeper.lifecycle.capture(sandbox)
        record = SnapshotRecord(
            id=new_id(),
            name=reference.name,
            tag=reference.tag or DEFAULT_TAG,
            sandbox_id=sandbox.id,
            template=TemplateRecord.of(sandbox.template),
            layers=layers,
            env=sandbox.env,
            created_at=datetime.now(UTC),
            team=sandbox.request.team,
        )
        try:
            made = replace(sandbox.template, layers=layers)
            await self._keeper.stems.plant(record.id, sandbox, made)
            await self._foundry.settle()
            replaced = self.snapshots.add(record)
        except BaseException as cause:
            await asyncio.shield(self._give_up(record))
            if isinstance(cause, OSError):
                raise LayerError(f"The snapshot could not be written: {cause}") from None
            raise
        for other in replaced:
            await self._give_up(other)
        return record

    async def _give_up(self, record: SnapshotRecord) -> None:
        """Let go of what a snapshot held."""
        await self._keeper.stems.remove(record.id)
        await self._foundry.release(record.layers)

    async def remove(self, text: str, team: str = TEAM_DEFAULT) -> None:
        """Remove a team's snapshot, or all of a name; sandboxes that were started from it live on.

        Raises:
            NotFoundError: there is none.
        """
        reference = Reference.parse(text)
        found = [record for record in self.snapshots.of(team) if reference.means(record)]
        if not found:
            raise NotFoundError(f"There is no snapshot '{text}'")
        for record in found:
            if not self.snapshots.has(record):
                continue  # another client was quicker; what it held is let go of once
            self.snapshots.remove(record)
            await self._give_up(record)

    def origin(self, text: str, team: str = TEAM_DEFAULT) -> Origin | None:
        """Return what sandboxes of a team's snapshot are made of, with its variables.

        Raises:
            NotFoundError: what the snapshot lies on is gone.
        """
        record = self.snapshots.find(text, team)
        if record is None:
            return None
        environment = self._foundry.environment(record.template.environment)
        if environment is None:
            name = record.template.environment
            raise NotFoundError(f"Snapshot '{text}' needs the template '{name}', which is gone.")
        made = record.template.template(environment)
        template = replace(made, name=record.name or record.id, layers=record.layers, alias="")
        return Origin(template, record.env, record.id)

    async def start(self, origin: Origin, request: Request) -> Sandbox:
        """Start a sandbox; of a snapshot, with its variables while they are there.

        Raises:
            TooManySandboxesError, StartError: as of `Keeper.create`.
        """
        if not (origin.snapshot_id and origin.template.environment.has_kernels):
            return await self._keeper.create(request)
        stem = self._keeper.stems.use(origin.snapshot_id)
        if stem is None:
            reason = self._keeper.stems.reason(origin.snapshot_id)
        else:
            try:
                async with AsyncExitStack() as stack:
                    departure = await stem.depart(stack)
                    source = stem.sandbox.machine
                    return await self._keeper.create(request, departure.arrive, source)
            except (StartError, GuestLostError) as failure:
                reason = str(failure)
        return await self._start_fresh(request, origin.snapshot_id, reason)

    async def _start_fresh(self, request: Request, copy_of: str, reason: str) -> Sandbox:
        """Start with fresh kernels that say why; "" is no reason to say anything."""
        if reason:
            _log.warning("variables_not_carried", copy_of=copy_of, reason=reason)
        return await self._keeper.create(request, lambda fork: start_fresh(fork, reason))

    async def fork(self, sandbox: Sandbox, timeout_s: int, count: int) -> list[Outcome]:
        """Start copies of a running sandbox; each succeeds or fails by itself.

        Raises:
            BadRequestError: a container runtime runs it.
            NotFoundError: it does not run.
            StartError: its files could not be saved.
        """
        _refuse_containers(sandbox, "forked")
        self._keeper.journal.note(sandbox.id, "Forking sandbox", count=count)
        layers = await self._keeper.lifecycle.capture(sandbox)
        request = replace(
            sandbox.request,
            template=replace(sandbox.template, layers=layers),
            timeout_s=timeout_s,
            env=sandbox.env,
        )
        places = asyncio.Semaphore(_AT_ONCE)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._fork(sandbox, request, places)) for _ in range(count)
                ]
        finally:
            await self._foundry.release(layers)
        return [task.result() for task in tasks]

    async def _fork(self, source: Sandbox, request: Request, places: asyncio.Semaphore) -> Outcome:
        async with places:
            try:
                return await self._fork_live(source, request)
            except SandboxServerError as failure:
                return failure

    async def _fork_live(self, source: Sandbox, request: Request) -> Sandbox:
        """Fork with variables; where that cannot be, with fresh kernels that say so."""
        reason = obstacle(source)
        if not reason:
            try:
                async with AsyncExitStack() as stack:
                    departure = await depart(stack, source)
                    return await self._keeper.create(request, departure.arrive, source.machine)
            except (StartError, GuestLostError) as failure:
                reason = str(failure)
        known = not source.has_machine or source.machine.kernels
        return await self._start_fresh(request, source.id, reason if known else "")


def _refuse_containers(sandbox: Sandbox, what: str) -> None:
    """Refuse what only our own walls can do: memory of a container cannot be copied.

    Raises:
        BadRequestError: a container runtime runs it.
    """
    isolation = sandbox.template.isolation
    if is_container(isolation):
        raise BadRequestError(
            f"A sandbox under {isolation} cannot be {what}: its variables cannot be copied. Pause"
            " it to keep it, or use a template without --isolation."
        )
