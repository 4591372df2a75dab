"""Several candidates for one attempt: run side by side, and one of them kept.

Owns the order of it, and that nothing is left running. What a question says of the right answer,
and the choice, are `search`; sandboxes are behind `Arena`; the candidates' ways are `heats`.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from typing import Final

from capibara6 import answers
from capibara6.audience import Events
from capibara6.bout import Bout, Candidate
from capibara6.domain import events as ev
from capibara6.domain.executions import ExecutionResult, OutputChunk
from capibara6.domain.playbook import Advice
from capibara6.domain.ports import Arena, ProgramWriter, Ring, Validator
from capibara6.domain.programs import Program
from capibara6.errors import CapibaraError
from capibara6.heats import Heats
from capibara6.search.loading import loading

EVENTS_MAX: Final = 64  # waiting for whoever reads; then candidates wait

Queue = asyncio.Queue[ev.Event | None]


class Contest:
    """Holds contests among candidates.

    Args:
        arena: where they run.
        validator: checks them before.
        at_once: how many run at the same time; None: as many as there are processors, two at least.
    """

    def __init__(self, arena: Arena, validator: Validator, at_once: int | None = None) -> None:
        self._arena = arena
        self._validator = validator
        self._at_once = at_once or max(2, os.cpu_count() or 1)

    async def events(self, bout: Bout, writer: ProgramWriter, advice: Sequence[Advice]) -> Events:
        """Hold a contest; `bout` has its end. Closing the iterator ends all of its sandboxes.

        Raises:
            ProviderError: no candidate could be run at all.
            RequestError: template, timeout or files cannot be used.
        """
        queue: Queue = asyncio.Queue(EVENTS_MAX)
        holding = asyncio.create_task(self._told(bout, writer, advice, queue))
        try:
            while (event := await queue.get()) is not None:
                yield event
            await holding
        finally:
            holding.cancel()
            await asyncio.wait([holding])
            if not holding.cancelled():
                holding.exception()  # raised above already, or of no interest to one who left

    async def _told(
        self, bout: Bout, writer: ProgramWriter, advice: Sequence[Advice], queue: Queue
    ) -> None:
        try:
            await self._hold(bout, writer, advice, queue)
        except BaseExceptionGroup as group:
            known = group.subgroup(CapibaraError)
            if known is None:
                raise
            raise _first(known) from None
        finally:
            if not _is_cancelled():  # then nobody reads any more
                await queue.put(None)

    async def _hold(
        self, bout: Bout, writer: ProgramWriter, advice: Sequence[Advice], queue: Queue
    ) -> None:
        execution = answers.execution_of(Program("pass"), bout.request, bout.route)
        timeout_s = self._arena.timeout_s(execution)
        heats = Heats(bout, writer, advice, self._validator, queue.put, timeout_s, self._at_once)
        async with asyncio.TaskGroup() as tasks:
            heats.start(tasks)  # the data are loaded while the model writes
            loads = loading(answers.paths_of(bout.request))
            async with self._arena.opened(execution, loads) as ring:
                await heats.ended(ring)
                async for event in _conclusion(bout, ring):
                    await queue.put(event)


async def _conclusion(bout: Bout, ring: Ring) -> AsyncIterator[ev.Event]:
    """The choice, and the chosen candidate's attempt as if it had been the only one."""
    if bout.refusal is not None:
        return
    one = bout.decide()
    run_id, number = bout.request.id, bout.attempt
    yield bout.chosen(ring.note)
    await ring.drop(*_losers(bout, one))
    yield ev.ProgramWritten(run_id, number, bout.program)
    yield ev.Validated(run_id, number, one.findings)
    if one.findings:
        return
    if one.entrant is None:
        bout.result = ExecutionResult(success=False, error=one.error)
    else:
        sandbox_id, template = one.entrant.sandbox_id, one.entrant.result.template
        yield ev.ExecutionStarted(run_id, number, sandbox_id, template)
        bout.result = await ring.keep(one.entrant)
        for event in _shown(run_id, number, bout.result):
            yield event
    yield ev.ExecutionFinished(run_id, number, bout.result)


def _losers(bout: Bout, winner: Candidate) -> list[str]:
    kept = winner.entrant.sandbox_id if winner.entrant else ""
    found = {one.entrant.sandbox_id for one in bout.candidates if one.entrant}
    return sorted(found - {kept})


def _shown(run_id: str, number: int, result: ExecutionResult) -> list[ev.Event]:
    """What the chosen one showed, now that it is known to be the one."""
    streams = (("stdout", result.stdout), ("stderr", result.stderr))
    chunks = [OutputChunk(name, text) for name, text in streams if text]
    found: list[ev.Event] = [ev.Output(run_id, number, chunk) for chunk in chunks]
    return [*found, *(ev.ResultShown(run_id, number, item) for item in result.results)]


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _first(group: BaseExceptionGroup[CapibaraError]) -> CapibaraError:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
