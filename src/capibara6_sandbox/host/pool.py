"""Ready sandboxes: forked before they are asked for, so that asking costs nothing."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from capibara6_sandbox.host.sandbox import Sandbox
from capibara6_sandbox.templates.catalog import Template

_RETRY_S: Final = 1.0
# Whoever has taken a sandbox uses it now; the next one can wait until that first call is served.
_REST_S: Final = 0.05

_log = structlog.get_logger()


class Pool:
    """Keeps `size` sandboxes ready of every template that has been asked for.

    Args:
        start: makes a sandbox.
        dispose: gives back all of one that has ended while it waited.
        size: how many of each template.
    """

    def __init__(
        self,
        start: Callable[[Template], Awaitable[Sandbox]],
        dispose: Callable[[Sandbox], Awaitable[None]],
        size: int,
    ) -> None:
        self._start = start
        self._dispose = dispose
        self._size = size
        self._ready: dict[str, deque[Sandbox]] = {}
        self._refills: dict[str, asyncio.Task[None]] = {}
        self._closed = False

    async def take(self, template: Template) -> Sandbox:
        """Return a ready sandbox, or start one; make sure that the next is ready.

        Raises:
            StartError: this machine refused something.
        """
        ready = self._ready.setdefault(template.name, deque())
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
        while len(ready) < self._size:
            ready.append(await self._start(template))

    def _refill(self, template: Template) -> None:
        if not self._closed and template.name not in self._refills:
            self._refills[template.name] = asyncio.create_task(self._fill(template))

    async def _fill(self, template: Template) -> None:
        ready = self._ready[template.name]
        try:
            await asyncio.sleep(_REST_S)
            while len(ready) < self._size and not self._closed:
                try:
                    ready.append(await self._start(template))
                except Exception as cause:  # noqa: BLE001 - the next take reports it to a client
                    _log.warning("pool_refill_failed", template=template.name, cause=str(cause))
                    await asyncio.sleep(_RETRY_S)
        finally:
            self._refills.pop(template.name, None)

    async def close(self) -> list[Sandbox]:
        """Stop refilling and hand over what is left."""
        self._closed = True
        for task in list(self._refills.values()):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        left = [sandbox for ready in self._ready.values() for sandbox in ready]
        self._ready.clear()
        return left
