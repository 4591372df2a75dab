"""The processes that sandboxes and kernels are forked from; started again when they are lost.

The nursery holds all others in its PID namespace: with it end its zygotes and its sandboxes. A lost
zygote costs nobody anything but the seconds until the next one has imported its stack.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import structlog

from capibara6_sandbox.errors import StartError
from capibara6_sandbox.host.zygotes import (
    ZygoteClient,
    ZygoteError,
    start_kernel_zygote,
    start_nursery,
)
from capibara6_sandbox.templates.build import BuiltEnvironment

_STARTS_MAX: Final = 2  # for whoever asks; the next one tries again

_log = structlog.get_logger()


class Parents:
    """The nursery and the kernel zygotes of one server.

    Args:
        view: an empty directory, on which the nursery assembles what it sees.
        templates: where built environments lie.
        layers: where saved layers lie.
        volumes: where volumes lie.
        built: the built environments, by name.
        privileged: whether this server gives each sandbox a range of ids.
    """

    def __init__(
        self,
        view: Path,
        templates: Path,
        layers: Path,
        volumes: Path,
        built: Mapping[str, BuiltEnvironment],
        *,
        privileged: bool,
    ) -> None:
        self._view = view
        self._templates = templates
        self._layers = layers
        self._volumes = volumes
        self._built = built
        self._privileged = privileged
        self._nursery: ZygoteClient | None = None
        self._zygotes: dict[str, ZygoteClient] = {}
        self._turn = asyncio.Lock()
        self._closed = False

    async def start(self) -> None:
        """Start all of them.

        Raises:
            ZygoteError: this machine refuses something, or an import of a template failed.
        """
        async with self._turn:
            nursery = await self._living_nursery()
            for name, built in self._built.items():
                if built.environment.has_kernels:
                    self._zygotes[name] = await start_kernel_zygote(nursery, built)

    async def nursery(self) -> ZygoteClient:
        """Return the nursery; if it was lost, a new one.

        Raises:
            StartError: there can be none.
        """
        return await self._find("nursery", self._living_nursery)

    async def zygote(self, environment: str) -> ZygoteClient:
        """Return the zygote of an environment; if it was lost, a new one, after seconds.

        Raises:
            StartError: there can be none.
        """
        return await self._find(
            f"zygote of {environment}", lambda: self._living_zygote(environment)
        )

    async def _find(self, what: str, living: Callable[[], Awaitable[ZygoteClient]]) -> ZygoteClient:
        """Find it to the end, also for who waits no more: what is half ended would be nobody's."""
        finding = asyncio.create_task(self._find_in_turn(what, living))
        try:
            return await asyncio.shield(finding)
        except asyncio.CancelledError:
            finding.add_done_callback(_disregard)
            raise

    async def _find_in_turn(
        self, what: str, living: Callable[[], Awaitable[ZygoteClient]]
    ) -> ZygoteClient:
        async with self._turn:
            if self._closed:
                raise StartError("The server is stopping.")
            for _ in range(_STARTS_MAX - 1):
                with contextlib.suppress(ZygoteError):  # it was killed while it started
                    return await living()
            try:
                return await living()
            except (ZygoteError, OSError) as cause:
                raise StartError(f"The {what} ended and cannot start again: {cause}") from None

    async def _living_nursery(self) -> ZygoteClient:
        if self._nursery is not None and not self._nursery.closed:
            return self._nursery
        if self._nursery is not None:
            _log.warning("nursery_lost", effect="all sandboxes have ended", remedy="starting anew")
            await self._end_all()
        prefixes = sorted({b.python_prefix for b in self._built.values() if b.python_prefix})
        self._nursery = await start_nursery(
            self._view,
            self._templates,
            self._layers,
            self._volumes,
            prefixes,
            privileged=self._privileged,
        )
        return self._nursery

    async def _living_zygote(self, environment: str) -> ZygoteClient:
        nursery = await self._living_nursery()
        zygote = self._zygotes.get(environment)
        if zygote is not None and not zygote.closed:
            return zygote
        if zygote is not None:
            _log.warning("zygote_lost", environment=environment, remedy="starting anew")
            await zygote.close()
        zygote = await start_kernel_zygote(nursery, self._built[environment])
        self._zygotes[environment] = zygote
        return zygote

    async def close(self) -> None:
        """End all of them, for good. Idempotent."""
        self._closed = True
        async with self._turn:
            await self._end_all()

    async def _end_all(self) -> None:
        zygotes, self._zygotes = list(self._zygotes.values()), {}
        nursery, self._nursery = self._nursery, None
        for zygote in zygotes:
            await zygote.close()
        if nursery is not None:
            await nursery.close()


def _disregard(finding: "asyncio.Task[ZygoteClient]") -> None:
    """Take note of a failure of which nobody wants to be told; else it is logged as an error."""
    if not finding.cancelled():
        finding.exception()
