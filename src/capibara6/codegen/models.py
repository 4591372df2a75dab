"""Programs written by a model: the port `ProgramWriter` over one tier's endpoint."""

import asyncio
import importlib
import math
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from capibara6.codegen.answer import ExtractedProgram, extract_program, without_thoughts
from capibara6.codegen.attempts import AttemptFailed, Attempts, RetryPolicy
from capibara6.codegen.prompts import Message, build_messages
from capibara6.codegen.reply import Reply
from capibara6.codegen.tiers import ModelTier, is_loopback
from capibara6.domain.playbook import Advice
from capibara6.domain.programs import Failure, Program, Sampling
from capibara6.domain.requests import Request, Route
from capibara6.errors import ModelReplyError

if TYPE_CHECKING:
    from capibara6.codegen.endpoint import Endpoint

_CHARS_PER_TOKEN: Final = 4  # for an estimate, where the endpoint does not count
_EXCERPT_CHARS_MAX: Final = 160
_AT_ONCE_ELSEWHERE: Final = 4
_AGAIN: Final = {
    "en": "\n\n[The answer broke off; the model is asked again.]\n\n",
    "es": "\n\n[La respuesta se interrumpió; se pregunta de nuevo al modelo.]\n\n",
}


class ModelWriter:
    """Writes programs with the model of one tier.

    It may be used by many tasks at once; each answer has its own connection, so there is nothing
    to close.

    Args:
        tier: which model, where, its prices and limits.
        policy: how a failed request is tried again.
        pause: waits so many seconds.
        jitter: a number in 0..1 that spreads the waits.
    """

    def __init__(
        self,
        tier: ModelTier,
        policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._tier = tier
        self._policy = policy
        self._pause = pause
        self._jitter = jitter
        self._endpoint: Endpoint | None = None

    @property
    def tier(self) -> str:
        """The tier's name."""
        return self._tier.name

    @property
    def at_once(self) -> int:
        """One on this machine, several elsewhere.

        Here answers share the processors, and some servers drop the first for the second.
        """
        return 1 if is_loopback(self._tier.base_url) else _AT_ONCE_ELSEWHERE

    async def write(
        self,
        request: Request,
        route: Route,
        failure: Failure | None = None,
        advice: Sequence[Advice] = (),
        sampling: Sampling | None = None,
    ) -> AsyncGenerator[str | Program, None]:
        """Ask the model; yield its answer's text in pieces, and last the Program.

        After a stream that breaks off, a line says so and the answer comes anew from its start.
        Closing the generator, or cancelling, closes the HTTP stream.

        Args:
            request: the question and its data.
            route: names the language of the question.
            failure: the attempt before, for a repair.
            advice: of the playbook.
            sampling: of this answer alone; None: as the tier is set.

        Raises:
            ModelUnreachableError: nothing answers, in time or at all, or it refuses the key.
            ModelBusyError: it refused every attempt.
            ModelReplyError: its answer is broken or holds no program.
        """
        messages = build_messages(request, route, failure, self._tier.prompt_tokens_max, advice)
        endpoint = await self._connected()
        attempts = Attempts(self._tier, self._policy, self._jitter)
        replies: list[Reply] = []
        while True:
            replies.append(Reply())
            try:
                async with aclosing(endpoint.stream(messages, replies[-1], sampling)) as pieces:
                    async for piece in pieces:
                        yield piece
                break
            except AttemptFailed as failed:
                wait_s = attempts.wait_s_after(failed)
            if replies[-1].text:
                yield _AGAIN.get(route.language, _AGAIN["en"])
            await self._pause(wait_s)
        yield self._program(self._extracted(replies[-1]), messages, replies)

    async def _connected(self) -> "Endpoint":
        if self._endpoint is None:
            # A second of imports, in a thread so that other runs go on meanwhile.
            module = await asyncio.to_thread(importlib.import_module, "capibara6.codegen.endpoint")
            self._endpoint = module.Endpoint(self._tier)
        return self._endpoint

    def _extracted(self, reply: Reply) -> ExtractedProgram:
        found = extract_program(reply.text)
        if found is None:
            raise ModelReplyError(self._tier.model, self._why_none(reply))
        if found.complete:
            return found
        if reply.stopped or reply.finish_reason == "length":
            raise ModelReplyError(self._tier.model, self._why_incomplete(reply))
        return found  # the model ended by itself and forgot the closing fence

    def _why_none(self, reply: Reply) -> str:
        if reply.stopped or reply.finish_reason == "length":
            return self._why_incomplete(reply)
        if reply.finish_reason == "content_filter":
            return "the endpoint's content filter stopped it"
        said = " ".join(without_thoughts(reply.text).split())
        if said:
            return f"the answer holds no program: {said[:_EXCERPT_CHARS_MAX]!r}"
        if reply.text or reply.thought_chars:
            return "it thought and then answered nothing"
        return "the answer is empty"

    def _why_incomplete(self, reply: Reply) -> str:
        return reply.stopped or (
            f"it was cut at {self._tier.tokens_max} tokens, before its program was complete; "
            "raise the tier's tokens_max"
        )

    def _program(
        self, found: ExtractedProgram, messages: list[Message], replies: list[Reply]
    ) -> Program:
        """The program with the cost of all its replies, also of those that broke off."""
        prompt_chars = sum(len(message["content"]) for message in messages)
        billed = [reply for reply in replies if reply.has_begun]
        counts = [(reply.prompt_tokens, reply.completion_tokens) for reply in billed]
        prompt_tokens = sum(
            _tokens_in(prompt_chars) if prompt is None else prompt for prompt, _ in counts
        )
        completion_tokens = sum(
            _tokens_in(reply.chars + reply.thought_chars) if count is None else count
            for reply, (_, count) in zip(billed, counts, strict=True)
        )
        return Program(
            code=found.code,
            language=found.language,
            origin=f"model:{self._tier.model}",
            tier=self._tier.name,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            cost_usd=self._tier.cost_usd(prompt_tokens, completion_tokens),
            tokens_estimated=any(None in pair for pair in counts),
        )


def _tokens_in(chars: int) -> int:
    return math.ceil(chars / _CHARS_PER_TOKEN)
