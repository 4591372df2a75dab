"""The executor under limits from usage.

A run that its limits were too little for is repeated once with its template's own. Repeating is
safe: a sandbox starts from its template and the request's files, has no network, and is gone after
the run; what the first attempt did has gone with it.
"""

import logging
from collections.abc import AsyncIterator
from dataclasses import replace

from capibara6.domain.executions import (
    ExecutionRequest,
    ExecutionResult,
    Grant,
    OutputChunk,
    Repeating,
    ResultItem,
    SandboxReady,
)
from capibara6.domain.ports import Executor
from capibara6.streams import closed_after
from capibara6.tuning.tuner import Tuner

log = logging.getLogger(__name__)

Item = SandboxReady | OutputChunk | ResultItem | Repeating | ExecutionResult


class TunedExecutor:
    """Runs programs with the limits that their task has needed.

    Args:
        executor: runs them.
        tuner: knows the limits; its faults are its own: without an answer the template's hold.
    """

    def __init__(self, executor: Executor, tuner: Tuner) -> None:
        self._executor = executor
        self._tuner = tuner

    async def execute(self, request: ExecutionRequest) -> AsyncIterator[Item]:
        """As `Executor.execute`; `Repeating` comes between a run and its repetition."""
        grant, error = self._grant(request), ""
        granted = _granted(request, grant) if grant else request
        async with closed_after(self._executor.execute(granted)) as items:
            async for item in items:
                if grant and isinstance(item, SandboxReady):
                    yield replace(item, grant=grant)
                elif isinstance(item, ExecutionResult) and (error := _met(item, request, grant)):
                    yield Repeating(error, granted.memory_bytes, granted.timeout_s)
                else:
                    yield item
        if not error:
            return
        async with closed_after(self._executor.execute(request)) as items:
            async for item in items:
                if isinstance(item, ExecutionResult):
                    yield replace(item, usage=replace(item.usage, first_error=error))
                elif not isinstance(item, SandboxReady):
                    yield item

    def _grant(self, request: ExecutionRequest) -> Grant | None:
        try:
            return self._tuner.grant(request.template, request.task)
        except Exception:  # what is learnt must never keep a program from running
            log.exception("no limits are known for %s; its template's hold", request.task)
            return None


def _granted(request: ExecutionRequest, grant: Grant) -> ExecutionRequest:
    timeout_s = grant.timeout_s if request.timeout_s is None else request.timeout_s
    return replace(request, memory_bytes=grant.memory_bytes, timeout_s=timeout_s)


def _met(result: ExecutionResult, request: ExecutionRequest, grant: Grant | None) -> str:
    """The error of a limit that was ours rather than the user's or the template's; "": none."""
    name = result.error.name if result.error else ""
    if grant is None:
        return ""
    memory = name == "OutOfMemory" and grant.memory_bytes is not None
    time = name == "Timeout" and grant.timeout_s is not None and request.timeout_s is None
    return name if memory or time else ""
