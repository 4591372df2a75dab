"""Candidates side by side: each in a live fork of one sandbox that has loaded the data.

A provider that does not fork gives fresh sandboxes instead, and the ring says so.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Final

import structlog
from e2b_code_interpreter.code_interpreter_async import AsyncSandbox

from capibara6.config import Settings
from capibara6.domain.executions import Entrant, ExecutionRequest, ExecutionResult, Usage
from capibara6.domain.programs import Program
from capibara6.execution.artefacts import Listing
from capibara6.execution.checks import check_request
from capibara6.execution.ending import Ending, prepared
from capibara6.execution.failures import using
from capibara6.execution.metrics import MetricsReader
from capibara6.execution.program import Outcome, ProgramRun
from capibara6.execution.providers import Provider, ProviderSource, configured_provider
from capibara6.execution.sandboxes import Sandboxes

LOADING_S_MAX: Final = 120.0
CHECK_S_MAX: Final = 30.0  # for a cell that examines; it has its own, shorter time
_FAILURES_MAX: Final = 2  # of forks one after another; then none is tried any more
_FRESH: Final = "live forks cannot be had here ({reason}); candidates run in fresh sandboxes"

_log = structlog.get_logger(__name__)


class E2BArena:
    """Opens rings of sandboxes that speak E2B's protocol.

    Args:
        settings: limits and presets.
        find_provider: asked for each ring.
        sandboxes: makes and ends them.
    """

    def __init__(
        self,
        settings: Settings,
        find_provider: ProviderSource | None = None,
        sandboxes: Sandboxes | None = None,
    ) -> None:
        self._settings = settings
        self._find_provider = find_provider or configured_provider(settings)
        self._sandboxes = sandboxes or Sandboxes(settings)
        self._ending = Ending(MetricsReader(), settings.limits)

    async def close(self) -> None:
        """Wait until every sandbox is killed, and close connections."""
        await self._sandboxes.close()
        await self._ending.close()

    def timeout_s(self, request: ExecutionRequest) -> float:
        """The time that a program of this request may take."""
        return check_request(replace(request, code=request.code or "pass"), self._settings)

    @asynccontextmanager
    async def opened(self, request: ExecutionRequest, loading: str) -> AsyncIterator["E2BRing"]:
        """A ring whose sandboxes hold the request's files, and what the cell `loading` loads."""
        # The origin waits for all answers of the model, and for all candidates.
        lifetime_s = 4 * self.timeout_s(request) + LOADING_S_MAX
        provider = await self._find_provider()
        origin = await self._sandboxes.create(provider, request, lifetime_s)
        ring = E2BRing(self._settings, self._sandboxes, self._ending, provider, origin, request)
        try:
            await ring.load(loading)
            yield ring
        finally:
            await ring.close()


class E2BRing:
    """One origin and the candidates' sandboxes."""

    def __init__(
        self,
        settings: Settings,
        sandboxes: Sandboxes,
        ending: Ending,
        provider: Provider,
        origin: AsyncSandbox,
        request: ExecutionRequest,
    ) -> None:
        self._limits = settings.limits
        self._sandboxes = sandboxes
        self._ending = ending
        self._provider = provider
        self._origin = origin
        self._request = request
        self._before: Listing = {}
        self._live: dict[str, tuple[AsyncSandbox, Outcome]] = {}
        self._failures = 0
        self._note = ""

    @property
    def note(self) -> str:
        """Why candidates run in fresh sandboxes instead; "" as long as they are live forks."""
        return self._note

    async def load(self, loading: str) -> None:
        """Write the files, and load them; a cell that fails costs time and nothing else."""
        with using(self._provider, self._origin.sandbox_id):
            self._before = await prepared(self._origin, self._request)
        if not loading:
            return
        outcome = await self._ran(self._origin, loading, "python", LOADING_S_MAX)
        if outcome.error:
            _log.warning("data_not_loaded_before_forks", error=outcome.error.value)

    async def run(self, program: Program, timeout_s: float, check: str = "") -> Entrant:
        """Run a program in a sandbox of its own, and then a Python cell that examines it."""
        sandbox, forked = await self._place(timeout_s)
        try:
            if not forked:
                with using(self._provider, sandbox.sandbox_id):
                    await prepared(sandbox, self._request)
            outcome = await self._ran(sandbox, program.code, program.language, timeout_s)
            checked = ""
            if check and outcome.sandbox_usable and not outcome.error:
                examined = await self._ran(sandbox, check, "python", CHECK_S_MAX)
                outcome.sandbox_usable = examined.sandbox_usable
                checked = examined.stdout.text()
        except BaseException:
            await self._sandboxes.end(sandbox)
            raise
        self._live[sandbox.sandbox_id] = (sandbox, outcome)
        return Entrant(sandbox.sandbox_id, self._plain(sandbox, outcome), checked, forked)

    async def keep(self, entrant: Entrant) -> ExecutionResult:
        """Everything that an entrant left, its files too; its sandbox is ended."""
        sandbox, outcome = self._live[entrant.sandbox_id]
        try:
            result = await self._ending.result(
                sandbox, self._provider, self._request, outcome, self._before
            )
            # A fork's group counts only what is its own: it says nothing of a whole run's memory.
            usage = replace(result.usage, memory_peak_bytes=None)
            return replace(result, usage=usage) if entrant.forked else result
        finally:
            await self.drop(entrant.sandbox_id)

    async def drop(self, *sandbox_ids: str) -> None:
        """End the sandboxes of entrants; one that has ended already stays ended."""
        live = [self._live.pop(name, None) for name in sandbox_ids]
        await self._sandboxes.end_all([one[0] for one in live if one])

    async def close(self) -> None:
        """End all that is left."""
        left = [sandbox for sandbox, _ in self._live.values()]
        self._live.clear()
        await self._sandboxes.end_all([*left, self._origin])

    async def _place(self, timeout_s: float) -> tuple[AsyncSandbox, bool]:
        """A live fork, or else a fresh sandbox."""
        if self._failures < _FAILURES_MAX:
            fork = await self._sandboxes.fork(self._origin, timeout_s + CHECK_S_MAX)
            if isinstance(fork, AsyncSandbox):
                self._failures = 0
                return fork, True
            self._failures += 1
            self._note = _FRESH.format(reason=str(fork)[:200] or type(fork).__name__)
            _log.warning("no_live_fork", reason=str(fork)[:200])
        fresh = await self._sandboxes.create(self._provider, self._request, timeout_s + CHECK_S_MAX)
        return fresh, False

    async def _ran(
        self, sandbox: AsyncSandbox, code: str, language: str, timeout_s: float
    ) -> Outcome:
        request = ExecutionRequest(code, language, self._request.template, env=self._request.env)
        run = ProgramRun(sandbox, request, timeout_s, self._limits)
        with using(self._provider, sandbox.sandbox_id):
            async with aclosing(run.items()) as items:
                async for _ in items:
                    pass  # kept, within bounds, in the outcome
        return run.outcome

    def _plain(self, sandbox: AsyncSandbox, outcome: Outcome) -> ExecutionResult:
        return ExecutionResult(
            success=outcome.error is None,
            stdout=outcome.stdout.text(),
            stderr=outcome.stderr.text(),
            results=tuple(outcome.results),
            error=outcome.error,
            usage=Usage(wall_s=outcome.wall_s, output_bytes=outcome.shown_bytes),
            sandbox_id=sandbox.sandbox_id,
            template=self._request.template,
            truncated=outcome.stdout.truncated or outcome.stderr.truncated,
        )
