"""The steps of a sandbox's life: pause, resume, snapshot.

Every step takes the sandbox's turn, so that of many clients one acts at a time and the others find
what it left. A kill waits for nobody: it marks the sandbox as ended, takes its machine, and the
step under way finds both gone.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import structlog

from capibara6_guest.wire import CallError
from capibara6_sandbox.errors import ConflictError, LayerError, NotFoundError, StartError
from capibara6_sandbox.host import pausing
from capibara6_sandbox.host.foundry import Foundry
from capibara6_sandbox.host.guest_client import GuestLostError
from capibara6_sandbox.host.machine import Machine
from capibara6_sandbox.host.paused import boot_id, describe
from capibara6_sandbox.host.programs import ProgramFailedError
from capibara6_sandbox.host.records import Records, SandboxRecord
from capibara6_sandbox.host.roll import unknown_sandbox
from capibara6_sandbox.host.sandbox import Sandbox
from capibara6_sandbox.host.shortages import shortage
from capibara6_sandbox.host.startup import start_up
from capibara6_sandbox.host.states import State

_log = structlog.get_logger()


class Lifecycle:
    """Pauses, resumes and copies sandboxes.

    Args:
        foundry: makes machines and saves layers.
        records: of paused sandboxes of which only the files are left.
        watch: is told of every machine that a sandbox gets.
    """

    def __init__(
        self,
        foundry: Foundry,
        records: Records[SandboxRecord],
        watch: Callable[[Sandbox, Machine], None],
    ) -> None:
        self._foundry = foundry
        self._records = records
        self._watch = watch
        self._errands: set[asyncio.Task[None]] = set()

    async def pause(self, sandbox: Sandbox, *, memory: bool) -> None:
        """Pause a running sandbox: hold everything still, or keep no more than its files.

        Raises:
            ConflictError: it is paused already.
            NotFoundError: it has ended.
            StartError: it could not be held still or saved; it runs on.
        """
        async with sandbox.turn:
            if sandbox.state is State.PAUSED:
                text = f"Error pausing sandbox - sandbox '{sandbox.id}' is already paused"
                raise ConflictError(text)
            async with self._step(sandbox, State.PAUSING, State.PAUSED):
                if memory:
                    await self._hold(sandbox)
                else:
                    await self._put_away(sandbox)
            sandbox.ends_at = datetime.now(UTC)

    async def resume(self, sandbox: Sandbox, timeout_s: float, *, memory: bool = True) -> bool:
        """Let a paused sandbox go on; return False if it runs already.

        Args:
            sandbox: which.
            timeout_s: its lifetime from now, if it was paused.
            memory: False starts it anew from its files.

        Raises:
            NotFoundError: it has ended.
            StartError: this machine refused something; it stays paused.
        """
        async with sandbox.turn:
            if sandbox.state is State.RUNNING:
                return False
            async with self._step(sandbox, State.RESUMING, State.RUNNING):
                if sandbox.has_machine and not memory:
                    await self._put_away(sandbox)
                if sandbox.has_machine:
                    await self._let_go(sandbox)
                else:
                    await self._start_again(sandbox)
            sandbox.live(timeout_s)
            return True

    async def capture(self, sandbox: Sandbox) -> tuple[str, ...]:
        """Save the files of a running sandbox, held still meanwhile; return the layers, held once.

        Raises:
            NotFoundError: it does not run.
            StartError: it could not be saved; it runs on.
        """
        async with sandbox.turn:
            if sandbox.state is not State.RUNNING:
                raise NotFoundError(f"Sandbox {sandbox.id} is not running")
            layers: tuple[str, ...] = ()
            try:
                async with self._step(sandbox, State.SNAPSHOTTING, State.RUNNING):
                    machine = sandbox.machine
                    await pausing.hold_still(machine)
                    try:
                        layers = await self._foundry.save(machine)
                    finally:
                        if not machine.ended.is_set():
                            await pausing.let_go(machine)
            except BaseException:  # it may have been killed after it was saved
                await asyncio.shield(self._foundry.release(layers))
                raise
            return layers

    async def put_away(self, sandbox: Sandbox) -> None:
        """Turn a sandbox that is paused with its memory into one of which the files are left.

        Raises:
            StartError: it could not be saved.
        """
        async with sandbox.turn:
            if sandbox.state is State.PAUSED and sandbox.has_machine:
                async with self._step(sandbox, State.PAUSING, State.PAUSED):
                    await self._put_away(sandbox)

    @asynccontextmanager
    async def _step(self, sandbox: Sandbox, during: State, after: State) -> AsyncIterator[None]:
        """Go through a state to another one, and back if that fails."""
        before = sandbox.state
        if before is State.ENDED:
            raise unknown_sandbox(sandbox.id)
        sandbox.step(during)
        try:
            yield
        except BaseException as cause:
            if sandbox.state is during:
                sandbox.step(before)
                raise
            if isinstance(cause, StartError | GuestLostError | CallError | OSError):
                raise NotFoundError(f"Sandbox {sandbox.id} was killed") from None
            raise
        if sandbox.state is State.ENDED:
            raise NotFoundError(f"Sandbox {sandbox.id} was killed")
        sandbox.step(after)

    async def _hold(self, sandbox: Sandbox) -> None:
        """Hold a sandbox still, and save its files too: its memory ends with this server."""
        machine = sandbox.machine
        await pausing.pause(machine)
        if not self._foundry.keeps:
            return
        try:
            layers = await self._foundry.save(machine)
            try:
                await self._write(describe(sandbox, layers, unsettled=boot_id()), durable=False)
            except BaseException:
                await asyncio.shield(self._foundry.release(layers))
                raise
        except BaseException:
            if not machine.ended.is_set():
                await pausing.resume(machine)
            raise
        sandbox.saved = layers
        self._run_errand(self._settle(sandbox, layers))

    async def _settle(self, sandbox: Sandbox, layers: tuple[str, ...]) -> None:
        """Force what was saved of a paused sandbox to the disk, if it is still of use."""
        try:
            await self._foundry.settle()
            async with sandbox.turn:
                if sandbox.saved == layers:
                    await self._write(describe(sandbox, layers))
        except LayerError as cause:
            _log.error("pause_not_on_disk", sandbox_id=sandbox.id, cause=str(cause))

    async def _let_go(self, sandbox: Sandbox) -> None:
        """Let a sandbox that is held still run again; what was saved of it is old from now on."""
        machine = sandbox.machine
        await pausing.resume(machine)
        if machine.ended.is_set():
            raise StartError("Its processes have ended; the next resume starts it from its files.")
        saved, sandbox.saved = sandbox.saved, ()
        if saved:
            self._records.remove(sandbox.id)
            self._run_errand(self._foundry.release(saved))

    async def _put_away(self, sandbox: Sandbox) -> None:
        """Save a sandbox's files and its record, then end its machine."""
        if sandbox.saved:  # when it was paused, and nothing has run since
            if (held := sandbox.detach()) is not None:
                await asyncio.shield(self._foundry.take_back(held))
            return
        machine = sandbox.machine
        if not machine.guest.parked:
            await pausing.hold_still(machine)
        try:
            layers = await self._foundry.save(machine)
            try:
                await self._foundry.settle()
                await self._keep(sandbox, machine, layers)
            except BaseException:
                await asyncio.shield(self._foundry.release(layers))
                raise
        except BaseException:
            if not (machine.ended.is_set() or machine.guest.parked):
                await pausing.let_go(machine)
            raise
        await asyncio.shield(self._foundry.take_back(machine))

    async def _keep(self, sandbox: Sandbox, machine: Machine, layers: tuple[str, ...]) -> None:
        """Let a sandbox be what was saved of it, from now on."""
        await self._write(describe(sandbox, layers))
        if sandbox.detach() is None:  # killed meanwhile; its end has nothing of this to remove
            self._records.remove(sandbox.id)
            raise NotFoundError(f"Sandbox {sandbox.id} was killed")
        machine.guest.park()
        sandbox.saved = layers

    async def _write(self, record: SandboxRecord, *, durable: bool = True) -> None:
        try:
            await asyncio.to_thread(self._records.write, record, durable=durable)
        except OSError as cause:
            reason = shortage(cause) or str(cause)
            raise LayerError(f"The record could not be written: {reason}") from None

    async def _start_again(self, sandbox: Sandbox) -> None:
        """Start a sandbox from its saved files."""
        volumes = sandbox.request.volumes_at_start(self._foundry.volumes)
        machine = await self._foundry.make(
            sandbox.template, sandbox.saved, sandbox.id, volumes=volumes
        )
        if sandbox.state is State.ENDED:
            await self._foundry.take_back(machine)
            return
        sandbox.attach(machine)
        try:
            machine.control.set_environment(sandbox.env)
            request = sandbox.request
            await self._foundry.apply_policy(machine, request.policy, sandbox.env, request.team)
            await sandbox.mount_volumes(self._foundry.volumes)
            await sandbox.start_default_contexts()
            await _start_up_again(sandbox, machine)
        except BaseException:
            if sandbox.detach() is not None:
                await asyncio.shield(self._foundry.take_back(machine))
            raise
        self._watch(sandbox, machine)
        await self.forget(sandbox)

    async def forget(self, sandbox: Sandbox) -> None:
        """Give up the saved files of a sandbox that runs again, or has ended. Idempotent."""
        saved, sandbox.saved = sandbox.saved, ()
        if saved:
            self._records.remove(sandbox.id)
            await self._foundry.release(saved)

    def drop(self, record: SandboxRecord) -> None:
        """Forget a paused sandbox of an earlier run, whose files are not whole."""
        self._records.remove(record.id)

    def _run_errand(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what no client waits for."""
        task = asyncio.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def finish(self) -> None:
        """Wait until all errands are done."""
        while self._errands:
            await asyncio.wait(self._errands)


async def _start_up_again(sandbox: Sandbox, machine: Machine) -> None:
    """Run what its template starts: nothing of that outlived its processes."""
    if sandbox.template.startup is None:
        return
    try:
        await start_up(machine.guest, sandbox.template.startup)
    except ProgramFailedError as cause:
        raise StartError(f"The sandbox could not start: {cause}") from None
