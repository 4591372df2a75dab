"""One request to an OpenAI-compatible endpoint, as a stream.

This module and `faults` alone know the `openai` client. Importing it takes about a second, so the
writer does so when the first answer is wanted.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import openai
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from capibara6.codegen.attempts import AttemptFailed, FailureKind
from capibara6.codegen.faults import message_of, told
from capibara6.codegen.prompts import Message
from capibara6.codegen.reply import Reply
from capibara6.codegen.runaway import is_runaway
from capibara6.codegen.tiers import ModelTier, is_loopback
from capibara6.domain.programs import Sampling

_CONNECT_TIMEOUT_S: Final = 10.0
_AFTER_END_S: Final = 2.0  # for the usage and [DONE] that may follow a finished answer
_NO_KEY: Final = "none"  # the client insists on one; endpoints without keys ignore it
_STREAM_TYPE: Final = "text/event-stream"

Stream = openai.AsyncStream[ChatCompletionChunk]


@dataclass(slots=True)
class _Deadlines:
    """Event loop times until which the first token, and the whole answer, must come."""

    first: float
    whole: float
    begun: bool = False
    ended: bool = False

    @property
    def next(self) -> float:
        return self.whole if self.begun else min(self.first, self.whole)

    def heed(self, reply: Reply, now: float) -> None:
        self.begun = reply.has_begun
        if reply.finish_reason and not self.ended:
            self.ended = True
            self.whole = min(self.whole, now + _AFTER_END_S)


class Endpoint:
    """Asks one tier's model.

    Args:
        tier: which model, where, and its limits.
        options: more of the request's fields, such as a `response_format`.
    """

    def __init__(self, tier: ModelTier, options: Mapping[str, Any] | None = None) -> None:
        self._tier = tier
        # What some endpoints refuse; dropped or renamed for good once one has said so.
        self._options: dict[str, Any] = {
            "max_tokens": tier.tokens_max,
            "temperature": tier.temperature,
            "stream_options": {"include_usage": True},
            **(options or {}),
        }
        self._refused: set[str] = set()

    async def stream(
        self, messages: Sequence[Message], reply: Reply, sampling: Sampling | None = None
    ) -> AsyncGenerator[str, None]:
        """Ask once; yield the answer's text as it comes and keep it, with its usage, in `reply`.

        Closing the generator, or cancelling, closes the HTTP stream.

        Raises:
            AttemptFailed: no answer, or only part of one.
        """
        loop = asyncio.get_running_loop()
        deadlines = _Deadlines(
            loop.time() + self._tier.first_token_timeout_s, loop.time() + self._tier.timeout_s
        )
        async with self._client() as client:
            stream = await self._opened(client, messages, deadlines, sampling)
            async with aclosing(stream), aclosing(self._chunks(stream, deadlines)) as chunks:
                try:
                    async for chunk in chunks:
                        if piece := reply.take(chunk):
                            yield piece
                        deadlines.heed(reply, loop.time())
                        if self._must_stop(reply):
                            return
                except AttemptFailed:
                    if reply.finish_reason is None:
                        raise
                    # The answer had ended; only its usage or end mark is missing.
        if reply.finish_reason is None:
            problem = f"the stream ended after {reply.chars} characters, before the answer did"
            raise AttemptFailed(FailureKind.CUT, problem)

    def _client(self) -> openai.AsyncOpenAI:
        tier = self._tier
        # A proxy of the environment is for the world outside, not for this machine.
        transport = openai.DefaultAsyncHttpxClient(trust_env=not is_loopback(tier.base_url))
        return openai.AsyncOpenAI(
            api_key=tier.api_key.get_secret_value() if tier.api_key else _NO_KEY,
            base_url=tier.base_url,
            timeout=openai.Timeout(tier.timeout_s, connect=_CONNECT_TIMEOUT_S),
            max_retries=0,  # the writer counts them, half streams among them
            http_client=transport,
        )

    async def _opened(
        self,
        client: openai.AsyncOpenAI,
        messages: Sequence[Message],
        deadlines: _Deadlines,
        sampling: Sampling | None,
    ) -> Stream:
        with self._failures_told(deadlines):
            stream = await self._requested(client, messages, deadlines, sampling)
        kind = stream.response.headers.get("content-type", "")
        if not kind.startswith(_STREAM_TYPE):
            await stream.close()
            problem = f"it answered with {kind[:80] or 'no content type'}, not with {_STREAM_TYPE}"
            raise AttemptFailed(FailureKind.UNUSABLE, problem)
        return stream

    async def _requested(
        self,
        client: openai.AsyncOpenAI,
        messages: Sequence[Message],
        deadlines: _Deadlines,
        sampling: Sampling | None,
    ) -> Stream:
        drawn = {"temperature": sampling.temperature, "seed": sampling.seed} if sampling else {}
        while True:
            options = self._options | {k: v for k, v in drawn.items() if k not in self._refused}
            try:
                async with asyncio.timeout_at(deadlines.next):
                    stream: Stream = await client.chat.completions.create(
                        model=self._tier.model,
                        messages=cast("list[ChatCompletionMessageParam]", messages),
                        stream=True,
                        **options,
                    )
                    return stream
            except (openai.BadRequestError, openai.UnprocessableEntityError) as refusal:
                if not self._adapts_to(refusal, options):
                    raise

    def _adapts_to(self, refusal: openai.APIStatusError, options: Mapping[str, Any]) -> bool:
        """Drop or rename the option that the endpoint names; whether it names one."""
        words = f"{refusal.param or ''} {message_of(refusal)}"
        named = next((option for option in options if option in words), None)
        if named is None:
            return False
        self._refused.add(named)
        value = self._options.pop(named, None)
        if named == "max_tokens" and "max_completion_tokens" in words:
            self._options["max_completion_tokens"] = value  # OpenAI's newer name for it
        return True

    async def _chunks(
        self, stream: Stream, deadlines: _Deadlines
    ) -> AsyncGenerator[ChatCompletionChunk, None]:
        chunks = aiter(stream)
        while True:
            with self._failures_told(deadlines, begun=True):
                try:
                    async with asyncio.timeout_at(deadlines.next):
                        chunk = await anext(chunks)
                except StopAsyncIteration:
                    return
            yield chunk

    def _must_stop(self, reply: Reply) -> bool:
        if reply.bytes > self._tier.answer_bytes_max:
            reply.stopped = f"it is longer than {self._tier.answer_bytes_max:,} bytes"
        elif reply.is_due_for_check and is_runaway(reply.text):
            reply.stopped = f"it repeats itself without end after {reply.chars:,} characters"
        return reply.stopped is not None

    @contextmanager
    def _failures_told(self, deadlines: _Deadlines, *, begun: bool = False) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            raise self._too_slow(deadlines) from None
        except openai.APIError as failure:
            raise told(failure, self._tier, begun=begun) from None
        except ValueError:
            problem = "its stream holds an event that is not JSON"
            raise AttemptFailed(FailureKind.UNUSABLE, problem) from None

    def _too_slow(self, deadlines: _Deadlines) -> AttemptFailed:
        if deadlines.begun:
            problem = f"it was not complete after {self._tier.timeout_s:g} s"
            return AttemptFailed(FailureKind.UNUSABLE, problem)
        limit_s = min(self._tier.first_token_timeout_s, self._tier.timeout_s)
        return AttemptFailed(FailureKind.SLOW, f"no first token within {limit_s:g} s")
