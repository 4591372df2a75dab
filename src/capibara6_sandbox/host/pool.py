"""Ready sandboxes: forked before they are asked for, so that asking costs nothing."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from capibara6_sandbox.host.demand import WINDOW_S, Demand, PoolBounds
from capibara6_sandbox.host.sandbox import Sandbox
from capibara6_sandbox.templates.catalog import Template

_RETRY_S: Final = 1.0
# Whoever has taken a sandbox uses it now; the next one can wait until that first call is served.
_REST_S: Final = 0.05
_TRIMS_A_WINDOW: Final = 10

_log = structlog.get_logger()


class Pool:
    """Keeps sandboxes ready of every template that has been asked for, as many as demand needs.

    Args:
        start: makes a sandbox.
        dispose: gives back all of one that has ended while it waited.
        bounds: of how many of each template; one number for both pins it.
        clock: in seconds, that never goes back.
    """

    def __init__(
        self,
        start: Callable[[Template], Awaitable[Sandbox]],
        dispose: Callable[[Sandbox], Awaitable[None]],
        bounds: PoolBounds,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start = start
        self._dispose = dispose
        self._bounds = bounds
        self._clock = clock
        self._demands: dict[str, Demand] = {}
        self._sizes: dict[str, int] = {}
        self._trims: dict[str, asyncio.Task[None]] = {}
        self._ready: dict[str, deque[Sandbox]] = {}
        self._refills: dict[str, asyncio.Task[None]] = {}
        self._closed = False

    async def take(self, template: Template) -> Sandbox:
        """Return a ready sandbox, or start one; make sure that the next is ready.

        Raises:
            StartError: this machine refused something.
        """
        ready = self._ready.setdefault(template.name, deque())
        self._demand(template).take(self._clock())
        try:
            while ready:
                sandbox = ready.popleft()
                if sandbox.alive:
                    return sandbox
                await self._dispose(sandbox)
            return await self._start(template)
        finally:
            self._refill(template)

    async def keep_ready(self, template: Template) -> None:
        """Fill the pool of a template before anybody asks, and wait for it.

        Raises:
            StartError: this machine refused something.
        """
        ready = self._ready.setdefault(template.name, deque())
        while len(ready) < self._size(template):
            ready.append(await self._started(template))

    def _demand(self, template: Template) -> Demand:
        return self._demands.setdefault(template.name, Demand(self._bounds))

    def _size(self, template: Template) -> int:
        """How many should be ready now; a change is logged with its reason."""
        demand = self._demand(template)
        size, was = demand.size(self._clock()), self._sizes.get(template.name, self._bounds.floor)
        if size != was:
            most = demand.burst(self._clock())
            reason = f"{most} asked for within {demand.burst_s:.1f} s, in {WINDOW_S / 60:g} minutes"
            _log.info("pool_resized", template=template.name, size=size, was=was, reason=reason)
        self._sizes[template.name] = size
        return size

    async def _started(self, template: Template) -> Sandbox:
        since = self._clock()
        sandbox = await self._start(template)
        self._demand(template).started(self._clock() - since)
        return sandbox

    def _refill(self, template: Template) -> None:
        if not self._closed and template.name not in self._refills:
            self._refills[template.name] = asyncio.create_task(self._fill(template))

    async def _fill(self, template: Template) -> None:
        ready = self._ready[template.name]
        try:
            await asyncio.sleep(_REST_S)
            while len(ready) < self._size(template) and not self._closed:
                try:
                    ready.append(await self._started(template))
                except Exception as cause:  # noqa: BLE001 - the next take reports it to a client
                    _log.warning("pool_refill_failed", template=template.name, cause=str(cause))
                    await asyncio.sleep(_RETRY_S)
        finally:
            self._refills.pop(template.name, None)
            if self._sizes.get(template.name, 0) > self._bounds.floor:
                self._trim_later(template)

    def _trim_later(self, template: Template) -> None:
        if not self._closed and template.name not in self._trims:
            self._trims[template.name] = asyncio.create_task(self._trim(template))

    async def _trim(self, template: Template) -> None:
        """Give back what demand no longer needs, once it may have fallen."""
        ready = self._ready[template.name]
        try:
            while self._sizes[template.name] > self._bounds.floor:
                await asyncio.sleep(WINDOW_S / _TRIMS_A_WINDOW)
                while len(ready) > self._size(template):
                    await self._dispose(ready.popleft())
        finally:
            self._trims.pop(template.name, None)

    async def close(self) -> list[Sandbox]:
        """Stop refilling and hand over what is left."""
        self._closed = True
        for task in [*self._refills.values(), *self._trims.values()]:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        left = [sandbox for ready in self._ready.values() for sandbox in ready]
        self._ready.clear()
        return left
