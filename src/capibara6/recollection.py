"""Advice for an attempt out of what was learnt; a memory that fails or tarries costs no run."""

import asyncio
import logging
from typing import Final

from capibara6.domain.playbook import Advice
from capibara6.domain.ports import Memory
from capibara6.progress import Attempt

RECALL_S_MAX: Final = 2.0

log = logging.getLogger(__name__)


async def recalled(memory: Memory | None, attempt: Attempt) -> tuple[Advice, ...]:
    """What the memory says to an attempt; nothing, logged, when it cannot say it in time."""
    if memory is None:
        return ()
    try:
        async with asyncio.timeout(RECALL_S_MAX):
            return await memory.recall(
                attempt.request, attempt.route, attempt.tier, attempt.previous
            )
    except Exception:
        # What was learnt is advice: a fault in it must not cost anybody an answer.
        log.exception("the playbook failed; run %s goes on without advice", attempt.request.id)
        return ()
