"""The executor: a sandbox for each program, through the published E2B client."""

from collections.abc import AsyncIterator

from capibara6.config import Settings
from capibara6.domain.executions import (
    ExecutionRequest,
    ExecutionResult,
    OutputChunk,
    ResultItem,
    SandboxReady,
)
from capibara6.execution.checks import check_request
from capibara6.execution.ending import Ending, prepared
from capibara6.execution.failures import using
from capibara6.execution.metrics import MetricsReader
from capibara6.execution.program import ProgramRun
from capibara6.execution.providers import Provider, ProviderSource, configured_provider
from capibara6.execution.sandboxes import Sandboxes


class E2BExecutor:
    """Runs programs in sandboxes that speak E2B's protocol, ours or the cloud's.

    Args:
        settings: limits and presets; also the provider, unless `find_provider` is given.
        find_provider: asked before each execution; it may start a server.
    """

    def __init__(self, settings: Settings, find_provider: ProviderSource | None = None) -> None:
        self._settings = settings
        self._find_provider = find_provider or configured_provider(settings)
        self._sandboxes = Sandboxes(settings)
        self._ending = Ending(MetricsReader(), settings.limits)

    async def close(self) -> None:
        """Wait until every sandbox is killed, and close connections."""
        await self._sandboxes.close()
        await self._ending.close()

    async def execute(
        self, request: ExecutionRequest
    ) -> AsyncIterator[SandboxReady | OutputChunk | ResultItem | ExecutionResult]:
        """Create a sandbox, run, collect, kill. The last item is the ExecutionResult.

        Closing the iterator early, or cancelling, interrupts the program and kills the sandbox.
        A program that fails, runs into its timeout ("Timeout"), prints without end
        ("OutputLimit"), exhausts its memory ("OutOfMemory") or ends its sandbox ("SandboxDied") is
        data in the result.

        Raises:
            RequestError: unknown template or language, or something out of range.
            ProviderError: the provider failed.
            ConfigurationError: the provider's key is missing or refused.
        """
        timeout_s = check_request(request, self._settings)
        provider = await self._find_provider()
        sandbox = await self._sandboxes.create(provider, request, timeout_s)
        try:
            yield SandboxReady(sandbox.sandbox_id, request.template)
            with using(provider, sandbox.sandbox_id):
                before = await prepared(sandbox, request)
            run = ProgramRun(sandbox, request, timeout_s, self._settings.limits)
            async for item in _translated(run, provider):
                yield item
            yield await self._ending.result(sandbox, provider, request, run.outcome, before)
        finally:
            await self._sandboxes.end(sandbox)


async def _translated(
    run: ProgramRun, provider: Provider
) -> AsyncIterator[OutputChunk | ResultItem]:
    items = run.items()
    try:
        while True:
            with using(provider, run.sandbox_id):
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    return
            yield item
    finally:
        await items.aclose()
