"""The executor: a sandbox for each program, through the published E2B client."""

import asyncio
import math
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final, TypeVar

import structlog
from e2b.sandbox.filesystem.filesystem import AsyncWriteEntry
from e2b_code_interpreter.code_interpreter_async import AsyncSandbox

from capibara6.config import Settings
from capibara6.config.sections import TIMEOUT_S_MAX
from capibara6.domain.executions import (
    Artefact,
    ExecutionRequest,
    ExecutionResult,
    OutputChunk,
    ResultItem,
    SandboxReady,
    Usage,
)
from capibara6.execution.artefacts import Collected, Listing, collect, list_files
from capibara6.execution.checks import check_request, sandbox_path
from capibara6.execution.failures import CLIENT_FAILURES, creating, using
from capibara6.execution.metrics import MetricsReader
from capibara6.execution.program import Outcome, ProgramRun
from capibara6.execution.providers import Provider, ProviderSource, configured_provider
from capibara6.execution.results import figures

GRACE_S = 60  # a sandbox outlives its program's timeout by this, for input and artefacts
MEMORY_LABEL: Final = "capibara6.memoryMB"  # metadata; at most what the template has
_KILL_TIMEOUT_S = 10.0
_MIB = 1024 * 1024

_log = structlog.get_logger(__name__)
T = TypeVar("T")


class E2BExecutor:
    """Runs programs in sandboxes that speak E2B's protocol, ours or the cloud's.

    Args:
        settings: limits and presets; also the provider, unless `find_provider` is given.
        find_provider: asked before each execution; it may start a server.
    """

    def __init__(self, settings: Settings, find_provider: ProviderSource | None = None) -> None:
        self._settings = settings
        self._find_provider = find_provider or configured_provider(settings)
        self._metrics = MetricsReader()
        self._endings: set[asyncio.Task[None]] = set()  # kills that outlive a cancelled caller

    async def close(self) -> None:
        """Wait until every sandbox is killed, and close connections."""
        if self._endings:
            await asyncio.wait(self._endings)
        await self._metrics.close()

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
        sandbox = await self._create(provider, request, timeout_s)
        try:
            yield SandboxReady(sandbox.sandbox_id, request.template)
            with using(provider, sandbox.sandbox_id):
                before = await _prepare(sandbox, request)
            run = ProgramRun(sandbox, request, timeout_s, self._settings.limits)
            async for item in _translated(run, provider):
                yield item
            yield await self._finish(sandbox, provider, request, run.outcome, before)
        finally:
            await self._detached(self._kill(sandbox))

    async def _create(
        self, provider: Provider, request: ExecutionRequest, timeout_s: float
    ) -> AsyncSandbox:
        template = request.template
        presets = set(self._settings.templates)
        lifetime_s = min(math.ceil(timeout_s) + GRACE_S, TIMEOUT_S_MAX)
        creation: asyncio.Task[AsyncSandbox] = asyncio.create_task(
            AsyncSandbox.create(
                provider.template(template, presets),
                timeout=lifetime_s,
                metadata=_metadata(request),
                allow_internet_access=False,
                **provider.options,
            )
        )
        try:
            with creating(provider, template, sorted(presets)):
                return await asyncio.shield(creation)
        except asyncio.CancelledError:
            # The provider may have made it already: let it, and kill what nobody will use.
            self._keep(asyncio.create_task(self._kill_unwanted(creation)))
            raise

    async def _kill_unwanted(self, creation: asyncio.Task[AsyncSandbox]) -> None:
        try:
            sandbox = await creation
        except CLIENT_FAILURES:
            return  # nothing was made
        await self._kill(sandbox)

    async def _kill(self, sandbox: AsyncSandbox) -> None:
        try:
            await sandbox.kill(request_timeout=_KILL_TIMEOUT_S)
        except CLIENT_FAILURES as cause:  # it ends by itself at its timeout
            _log.warning("sandbox_not_killed", sandbox_id=sandbox.sandbox_id, cause=repr(cause))

    async def _detached(self, work: Coroutine[Any, Any, None]) -> None:
        """Finish `work` even if the caller is cancelled meanwhile, once or again and again."""
        await asyncio.shield(self._keep(asyncio.create_task(work)))

    def _keep(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
        return task

    async def _finish(
        self,
        sandbox: AsyncSandbox,
        provider: Provider,
        request: ExecutionRequest,
        outcome: Outcome,
        before: Listing,
    ) -> ExecutionResult:
        measured = await self._metrics.read(provider, sandbox.sandbox_id)
        collected = Collected((), ())
        if outcome.sandbox_usable:
            with using(provider, sandbox.sandbox_id):
                collected = await collect(sandbox, before, self._settings.limits)
        for sentence in collected.left:
            outcome.stderr.add(f"\n[Artefact left behind: {sentence}]")
        results = tuple(outcome.results)
        return ExecutionResult(
            success=outcome.error is None,
            stdout=outcome.stdout.text(),
            stderr=outcome.stderr.text(),
            results=results,
            error=outcome.error,
            artefacts=_joined(collected.artefacts, figures(results)),
            usage=Usage(
                wall_s=outcome.wall_s,
                cpu_s=measured.cpu_s,
                memory_peak_bytes=measured.memory_peak_bytes,
                disk_peak_bytes=measured.disk_peak_bytes,
                output_bytes=outcome.shown_bytes,
            ),
            sandbox_id=sandbox.sandbox_id,
            template=request.template,
            truncated=outcome.stdout.truncated or outcome.stderr.truncated or bool(collected.left),
        )


def _metadata(request: ExecutionRequest) -> dict[str, str]:
    """What the sandbox is labelled with; our own server heeds the memory limit, E2B's does not."""
    labels = {"created_by": "capibara6", "template": request.template}
    if request.memory_bytes is not None:
        labels[MEMORY_LABEL] = str(math.ceil(request.memory_bytes / _MIB))
    return labels


async def _prepare(sandbox: AsyncSandbox, request: ExecutionRequest) -> Listing:
    entries = [
        AsyncWriteEntry(path=sandbox_path(name), data=content)
        for name, content in request.files.items()
    ]
    if entries:
        await sandbox.files.write_files(entries, use_octet_stream=True)
    return await list_files(sandbox)


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


def _joined(files: tuple[Artefact, ...], shown: list[Artefact]) -> tuple[Artefact, ...]:
    """Put the displayed figures after the files, but for those that were also saved as a file."""
    saved = {file.content for file in files}
    taken = {file.name for file in files}
    joined = list(files)
    for figure in shown:
        if figure.content in saved:
            continue
        name = figure.name
        while name in taken:
            name = f"displayed-{name}"
        taken.add(name)
        joined.append(Artefact(name, figure.mime, figure.content))
    return tuple(joined)
