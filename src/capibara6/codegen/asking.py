"""One answer of a model, asked for as often as its endpoint's failures allow."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

from capibara6.codegen.attempts import AttemptFailed, Attempts, RetryPolicy
from capibara6.codegen.endpoint import Endpoint
from capibara6.codegen.prompts import Message
from capibara6.codegen.reply import Reply
from capibara6.codegen.tiers import ModelTier
from capibara6.domain.programs import Sampling


async def ask(
    tier: ModelTier,
    messages: Sequence[Message],
    sampling: Sampling,
    enough: Callable[[str], bool],
    policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Reply:
    """Ask, and read until the answer ends or is `enough`; closing it stops a local model.

    Raises:
        ModelError: no answer after all attempts.
    """
    endpoint, attempts = Endpoint(tier), Attempts(tier, policy)
    while True:
        reply = Reply()
        try:
            async with aclosing(endpoint.stream(messages, reply, sampling)) as pieces:
                async for piece in pieces:
                    if "`" in piece and enough(reply.text):
                        break
        except AttemptFailed as failed:
            wait_s = attempts.wait_s_after(failed)
        else:
            return reply
        await pause(wait_s)
