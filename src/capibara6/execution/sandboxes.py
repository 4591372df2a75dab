"""Sandboxes made and ended through the published client, also when nobody waits any more."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any, Final

import structlog
from e2b_code_interpreter.code_interpreter_async import AsyncSandbox

from capibara6.config import Settings
from capibara6.config.sections import TIMEOUT_S_MAX
from capibara6.domain.executions import ExecutionRequest
from capibara6.execution.failures import CLIENT_FAILURES, creating
from capibara6.execution.providers import Provider

GRACE_S: Final = 60  # a sandbox outlives its program's timeout by this, for input and artefacts
MEMORY_LABEL: Final = "capibara6.memoryMB"  # metadata; at most what the template has
_KILL_TIMEOUT_S: Final = 10.0
_MIB: Final = 1024 * 1024

_log = structlog.get_logger(__name__)


class Sandboxes:
    """Makes and ends sandboxes; none that was made is forgotten.

    Args:
        settings: the presets.
    """

    def __init__(self, settings: Settings) -> None:
        self._presets = set(settings.templates)
        self._endings: set[asyncio.Task[None]] = set()  # kills that outlive a cancelled caller

    async def close(self) -> None:
        """Wait until every sandbox is killed."""
        if self._endings:
            await asyncio.wait(self._endings)

    async def create(
        self, provider: Provider, request: ExecutionRequest, timeout_s: float
    ) -> AsyncSandbox:
        """Make a sandbox for a program that may take so long.

        Raises:
            RequestError: there is no such template.
            ProviderError: the provider failed.
        """
        template = request.template
        creation: asyncio.Task[AsyncSandbox] = asyncio.create_task(
            AsyncSandbox.create(
                provider.template(template, self._presets),
                timeout=lifetime_s(timeout_s),
                metadata=_metadata(request),
                allow_internet_access=False,
                **provider.options,
            )
        )
        try:
            with creating(provider, template, sorted(self._presets)):
                return await asyncio.shield(creation)
        except asyncio.CancelledError:
            # The provider may have made it already: let it, and kill what nobody will use.
            self._keep(asyncio.create_task(self._kill_unwanted(creation)))
            raise

    async def fork(self, origin: AsyncSandbox, timeout_s: float) -> AsyncSandbox | Exception:
        """Make a live fork of a sandbox, or say why there is none."""
        creation = asyncio.create_task(_forked(origin, lifetime_s(timeout_s)))
        try:
            return await asyncio.shield(creation)
        except asyncio.CancelledError:
            self._keep(asyncio.create_task(self._kill_unwanted(creation)))
            raise

    async def end(self, sandbox: AsyncSandbox) -> None:
        """Kill a sandbox, even if the caller is cancelled meanwhile, once or again and again."""
        await asyncio.shield(self._keep(asyncio.create_task(self._kill(sandbox))))

    async def end_all(self, sandboxes: Sequence[AsyncSandbox]) -> None:
        """Kill several at once; as `end`."""
        endings = [self._keep(asyncio.create_task(self._kill(one))) for one in sandboxes]
        if endings:
            await asyncio.wait(endings)  # which, cancelled, leaves them running

    async def _kill_unwanted(self, creation: "asyncio.Task[Any]") -> None:
        try:
            sandbox = await creation
        except CLIENT_FAILURES:
            return  # nothing was made
        if isinstance(sandbox, AsyncSandbox):
            await self._kill(sandbox)

    async def _kill(self, sandbox: AsyncSandbox) -> None:
        try:
            await sandbox.kill(request_timeout=_KILL_TIMEOUT_S)
        except CLIENT_FAILURES as cause:  # it ends by itself at its timeout
            _log.warning("sandbox_not_killed", sandbox_id=sandbox.sandbox_id, cause=repr(cause))

    def _keep(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
        return task


def lifetime_s(timeout_s: float) -> int:
    """How long a sandbox lives for a program that may take so long."""
    return min(math.ceil(timeout_s) + GRACE_S, TIMEOUT_S_MAX)


async def _forked(origin: AsyncSandbox, lifetime: int) -> AsyncSandbox | Exception:
    try:
        forks = await origin.fork(timeout=lifetime, count=1)
    except CLIENT_FAILURES as cause:
        return cause
    return forks[0] if forks else ValueError("the provider answered with no fork")


def _metadata(request: ExecutionRequest) -> dict[str, str]:
    """What the sandbox is labelled with; our own server heeds the memory limit, E2B's does not."""
    labels = {"created_by": "capibara6", "template": request.template}
    if request.memory_bytes is not None:
        labels[MEMORY_LABEL] = str(math.ceil(request.memory_bytes / _MIB))
    return labels
