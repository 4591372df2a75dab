"""What a program is given before it runs, and what is taken from its sandbox afterwards."""

from e2b.sandbox.filesystem.filesystem import AsyncWriteEntry
from e2b_code_interpreter.code_interpreter_async import AsyncSandbox

from capibara6.config import Limits
from capibara6.domain.executions import Artefact, ExecutionRequest, ExecutionResult, Usage
from capibara6.execution.artefacts import Collected, Listing, collect, list_files
from capibara6.execution.checks import sandbox_path
from capibara6.execution.failures import using
from capibara6.execution.metrics import MetricsReader
from capibara6.execution.program import Outcome
from capibara6.execution.providers import Provider
from capibara6.execution.results import figures


async def prepared(sandbox: AsyncSandbox, request: ExecutionRequest) -> Listing:
    """Write the input files; the listing tells later which files the program left."""
    entries = [
        AsyncWriteEntry(path=sandbox_path(name), data=content)
        for name, content in request.files.items()
    ]
    if entries:
        await sandbox.files.write_files(entries, use_octet_stream=True)
    return await list_files(sandbox)


class Ending:
    """Makes results out of sandboxes in which a program has ended.

    Args:
        metrics: reads what they used.
        limits: of artefacts.
    """

    def __init__(self, metrics: MetricsReader, limits: Limits) -> None:
        self._metrics = metrics
        self._limits = limits

    async def close(self) -> None:
        """Close the connections."""
        await self._metrics.close()

    async def result(
        self,
        sandbox: AsyncSandbox,
        provider: Provider,
        request: ExecutionRequest,
        outcome: Outcome,
        before: Listing,
    ) -> ExecutionResult:
        """Everything that came back from a run; the sandbox may be killed then."""
        measured = await self._metrics.read(provider, sandbox.sandbox_id)
        collected = Collected((), ())
        if outcome.sandbox_usable:
            with using(provider, sandbox.sandbox_id):
                collected = await collect(sandbox, before, self._limits)
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
