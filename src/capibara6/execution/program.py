"""One program's run inside a sandbox: its output as it comes, and how it ended."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Final

import anyio
import httpx
from anyio.streams.memory import MemoryObjectSendStream
from e2b import SandboxException, TimeoutException
from e2b_code_interpreter.code_interpreter_async import AsyncSandbox
from e2b_code_interpreter.models import Execution, OutputMessage, Result

from capibara6.config import Limits
from capibara6.domain.executions import (
    ExecutionError,
    ExecutionRequest,
    OutputChunk,
    ResultItem,
)
from capibara6.errors import SandboxLostError
from capibara6.execution.output import BoundedText
from capibara6.execution.results import result_item, size_bytes

TIMEOUT: Final = "Timeout"
SANDBOX_DIED: Final = "SandboxDied"
OUTPUT_LIMIT: Final = "OutputLimit"

_QUEUED_MAX = 256  # pieces; then the program waits for whoever reads
_PROBE_TIMEOUT_S = 5.0
_NAMES = {"KernelDied": SANDBOX_DIED}  # the embedded server's word for it

Shown = OutputChunk | ResultItem


class _OutputFloodError(Exception):
    """The program printed more than anyone will read."""


@dataclass(slots=True)
class Outcome:
    """What is known of a program, complete once `run` has ended."""

    stdout: BoundedText
    stderr: BoundedText
    results: list[ResultItem] = field(default_factory=list)
    error: ExecutionError | None = None
    wall_s: float = 0.0
    sandbox_usable: bool = True  # False: it is gone, or the program may still run in it
    shown_bytes: int = 0


class ProgramRun:
    """Runs one program; iterate `items()` and then read `outcome`."""

    def __init__(
        self, sandbox: AsyncSandbox, request: ExecutionRequest, timeout_s: float, limits: Limits
    ) -> None:
        self._sandbox = sandbox
        self._request = request
        self._timeout_s = timeout_s
        self._limits = limits
        kept = limits.output_bytes_max
        self.outcome = Outcome(BoundedText(kept), BoundedText(kept))

    @property
    def sandbox_id(self) -> str:
        """The sandbox it runs in."""
        return self._sandbox.sandbox_id

    async def items(self) -> AsyncGenerator[Shown, None]:
        """Yield output and results as they happen; leaving early stops listening at once.

        Raises:
            SandboxLostError: the connection to the running program was lost.
        """
        send, receive = anyio.create_memory_object_stream[Shown](_QUEUED_MAX)
        task = asyncio.create_task(self._run(send))
        try:
            async with receive:
                async for item in receive:
                    yield item
            await task
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # raised above already, or of no interest to one who left

    async def _run(self, send: MemoryObjectSendStream[Shown]) -> None:
        started = time.monotonic()
        async with send:
            try:
                async with asyncio.timeout(self._timeout_s):
                    self._ended(await self._run_code(send))
            except TimeoutError:
                limit_s = f"{round(self._timeout_s, 2):g}"  # of a candidate: what was left
                self._failed(TIMEOUT, f"The program did not end within {limit_s} s.")
            except _OutputFloodError:
                limit = self._limits.output_bytes_stop
                self._failed(OUTPUT_LIMIT, f"The program was stopped after {limit:,} bytes.")
            except (TimeoutException, httpx.TransportError) as cause:
                await self._lost(cause)
            finally:
                self.outcome.wall_s = time.monotonic() - started

    async def _run_code(self, send: MemoryObjectSendStream[Shown]) -> Execution:
        async def on_stdout(message: OutputMessage) -> None:
            await self._show_output(send, "stdout", message.line)

        async def on_stderr(message: OutputMessage) -> None:
            await self._show_output(send, "stderr", message.line)

        async def on_result(result: Result) -> None:
            item = result_item(result)
            self._count(size_bytes(item))
            self.outcome.results.append(item)
            await send.send(item)

        execution: Execution = await self._sandbox.run_code(
            self._request.code,
            language=self._request.language,
            envs=self._request.env or None,
            on_stdout=on_stdout,
            on_stderr=on_stderr,
            on_result=on_result,
            timeout=0,  # ours is exact and can be told from a lost sandbox
        )
        return execution

    async def _show_output(
        self, send: MemoryObjectSendStream[Shown], stream: str, text: str
    ) -> None:
        kept = self.outcome.stdout if stream == "stdout" else self.outcome.stderr
        full_before = kept.total_bytes > self._limits.output_bytes_max
        kept.add(text)
        self._count(len(text))
        if kept.total_bytes <= self._limits.output_bytes_max:
            await send.send(OutputChunk(stream, text))
        elif not full_before:
            await send.send(OutputChunk(stream, "\n[… more output is not shown as it comes …]\n"))

    def _count(self, size: int) -> None:
        self.outcome.shown_bytes += size
        if self.outcome.shown_bytes > self._limits.output_bytes_stop:
            raise _OutputFloodError

    def _ended(self, execution: Execution) -> None:
        error = execution.error
        if error is not None:
            name = _NAMES.get(error.name, error.name)
            self.outcome.error = ExecutionError(name, error.value, error.traceback)

    def _failed(self, name: str, value: str) -> None:
        self.outcome.error = ExecutionError(name, value, value)
        self.outcome.sandbox_usable = False

    async def _lost(self, cause: Exception) -> None:
        """Tell a program that ended its sandbox from a provider that failed."""
        try:
            running = await self._sandbox.is_running(request_timeout=_PROBE_TIMEOUT_S)
        except (SandboxException, httpx.HTTPError, OSError) as probe:
            reason = f"{cause or type(cause).__name__}; and the provider does not answer: {probe!r}"
            raise SandboxLostError(self._sandbox.sandbox_id, reason) from cause
        if running:
            raise SandboxLostError(self._sandbox.sandbox_id, f"connection lost: {cause}") from cause
        self._failed(SANDBOX_DIED, "The sandbox ended while the program ran.")
