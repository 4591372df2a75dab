"""Stems: stopped live forks, from which the sandboxes of a snapshot get their variables.

A stem is made with its snapshot. No client knows it, it reaches nothing, and it counts as no
sandbox; it runs only while one is forked from it. There are few, of bounded memory: the ones that
were used longest ago leave, and then their snapshots are files, as all are after a restart.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import structlog

from capibara6_guest.wire import CallError
from capibara6_sandbox.errors import StartError
from capibara6_sandbox.host.foundry import Foundry
from capibara6_sandbox.host.guest_client import GuestLostError
from capibara6_sandbox.host.kernel_carrying import Departure, Notes, depart, obstacle
from capibara6_sandbox.host.machine import Machine
from capibara6_sandbox.host.pausing import hold_still, let_go
from capibara6_sandbox.host.sandbox import Sandbox
from capibara6_sandbox.isolation.processes import process_id
from capibara6_sandbox.templates.catalog import Template

STEMS_MAX: Final = 32
MEMORY_SHARE: Final = 0.25  # of the machine's, for all of them; --snapshot-memory says otherwise

Kernels = Callable[[Sandbox], Awaitable[None]]  # gives a new sandbox its kernels
Start = Callable[[Template, Kernels | None, Machine | None], Awaitable[Sandbox]]

_RESTARTED: Final = "the server has been started anew since"

_log = structlog.get_logger()


def default_bytes_max() -> int:
    """Return how much the stems of a server may hold if nobody says."""
    pages = os.sysconf("SC_PHYS_PAGES")
    return int(pages * os.sysconf("SC_PAGE_SIZE") * MEMORY_SHARE)


@dataclass(slots=True)
class Stem:
    """A stopped sandbox that others are forked from."""

    sandbox: Sandbox
    size_bytes: int  # what it holds when nobody shares it any more
    notes: Notes  # what could not be carried into it
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def depart(self, stack: AsyncExitStack) -> Departure:
        """Let its kernels fork for a new sandbox; see `kernel_carrying.depart`."""
        await stack.enter_async_context(self._awake())
        return await depart(stack, self.sandbox, self.notes)

    @asynccontextmanager
    async def _awake(self) -> AsyncIterator[None]:
        async with self.turn:
            machine = self.sandbox.machine
            await let_go(machine)
            try:
                yield
            finally:
                if not machine.ended.is_set():
                    await hold_still(machine)


class Stems:
    """The stems of a server, by snapshot.

    Args:
        foundry: makes machines.
        start: makes a sandbox that nobody owns.
        dispose: ends it.
        bytes_max: what all of them may hold; 0 for none.
    """

    def __init__(
        self,
        foundry: Foundry,
        start: Start,
        dispose: Callable[[Sandbox], Awaitable[None]],
        bytes_max: int,
    ) -> None:
        self._foundry = foundry
        self._start = start
        self._dispose = dispose
        self._bytes_max = bytes_max
        self._stems: dict[str, Stem] = {}  # the one used longest ago first
        self._reasons: dict[str, str] = {}  # why a snapshot has none
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def plant(self, snapshot_id: str, source: Sandbox, template: Template) -> None:
        """Make the stem of a snapshot; where that cannot be, remember why.

        Args:
            snapshot_id: whose.
            source: the running sandbox that the snapshot is of.
            template: what sandboxes of the snapshot are made of.
        """
        if not (source.has_machine and source.machine.kernels):
            self._reasons[snapshot_id] = ""  # nothing is lost
            return
        try:
            stem = await self._make(source, template)
        except (StartError, CallError, GuestLostError) as failure:
            self._reasons[snapshot_id] = str(failure)
            _log.warning("variables_not_kept", snapshot_id=snapshot_id, reason=str(failure))
        else:
            await self._keep(snapshot_id, stem)

    async def _make(self, source: Sandbox, template: Template) -> Stem:
        size_bytes = await self._size_bytes(source)
        if reason := obstacle(source) or self._excess(size_bytes):
            raise StartError(reason)
        silent = replace(template, startup=None)
        async with AsyncExitStack() as stack:
            departure = await depart(stack, source)
            sandbox = await self._start(silent, departure.arrive, source.machine)
        try:
            await hold_still(sandbox.machine)
        except BaseException:
            await asyncio.shield(self._dispose(sandbox))
            raise
        return Stem(sandbox, size_bytes, departure.notes)

    async def _size_bytes(self, source: Sandbox) -> int:
        """Return what a stem will hold once its source has ended: variables and files."""
        machine = source.machine
        zygote = await self._foundry.parents.zygote(machine.blueprint.template.environment.name)
        shared = _anonymous_bytes(zygote.pidfd)
        kernels = [_anonymous_bytes(kernel.pidfd) for kernel in machine.kernels.values()]
        return sum(max(0, held - shared) for held in kernels) + source.disk_used_bytes()

    def _excess(self, size_bytes: int) -> str:
        """Say that a stem is too large; "" if it is not."""
        if size_bytes <= self._bytes_max:
            return ""
        held, most = size_bytes >> 20, self._bytes_max >> 20
        return f"they take {held} MiB; --snapshot-memory allows {most} for all snapshots"

    async def _keep(self, snapshot_id: str, stem: Stem) -> None:
        if self._closed:
            await self._dispose(stem.sandbox)
            return
        self._stems[snapshot_id] = stem
        stem.sandbox.machine.when_ended(lambda: self._on_end(snapshot_id))
        while len(self._stems) > STEMS_MAX or self._held_bytes > self._bytes_max:
            oldest = next(iter(self._stems))
            await self._leave(oldest, "newer snapshots needed the room (--snapshot-memory)")

    @property
    def _held_bytes(self) -> int:
        return sum(stem.size_bytes for stem in self._stems.values())

    def use(self, snapshot_id: str) -> Stem | None:
        """Return the stem of a snapshot, if it has one, and keep it longer than others."""
        stem = self._stems.pop(snapshot_id, None)
        if stem is not None:
            self._stems[snapshot_id] = stem
        return stem

    def reason(self, snapshot_id: str) -> str:
        """Return why a snapshot has no stem; "" where nothing is lost by that."""
        return self._reasons.get(snapshot_id, _RESTARTED)

    async def remove(self, snapshot_id: str) -> None:
        """End the stem of a snapshot that is gone; its sandboxes live on. Idempotent."""
        self._reasons.pop(snapshot_id, None)
        stem = self._stems.pop(snapshot_id, None)
        if stem is not None:
            await asyncio.shield(self._end(stem))

    async def _leave(self, snapshot_id: str, why: str) -> None:
        """End a stem whose snapshot stays, as files."""
        stem = self._stems.pop(snapshot_id, None)
        if stem is not None:
            self._reasons[snapshot_id] = why
            _log.warning("variables_left", snapshot_id=snapshot_id, reason=why)
            await asyncio.shield(self._end(stem))

    async def _end(self, stem: Stem) -> None:
        async with stem.turn:
            await self._dispose(stem.sandbox)

    def _on_end(self, snapshot_id: str) -> None:
        if snapshot_id in self._stems:  # nobody ended it
            task = asyncio.create_task(self._leave(snapshot_id, "their process was ended"))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End all of them, for good. Idempotent."""
        self._closed = True
        stems, self._stems = self._stems, {}
        for stem in stems.values():
            await self._end(stem)
        while self._tasks:
            await asyncio.wait(self._tasks)


def _anonymous_bytes(pidfd: int) -> int:
    """Return how much a process holds that stands in no file, shared with others or not."""
    try:
        status = Path(f"/proc/{process_id(pidfd)}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 1024 * sum(int(kib) for kib in re.findall(r"Rss(?:Anon|Shmem):\s+(\d+)", status))
