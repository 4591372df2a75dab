"""One chat completion, asked of a model's process as a stream whatever the client wanted.

Only a stream can be stopped: llama.cpp's server looks between two tokens whether its client is
there. A client that wants no stream gets the pieces joined; both get the tokens counted.
"""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final

import httpx

from capibara6.local_models.process import ModelProcess
from capibara6.local_models.replies import Nonsense, body, fact, lines
from capibara6.local_models.serving import ServedModel

_EVENT: Final = "data: "
_DONE: Final = "[DONE]"
_STALL_S_MAX: Final = 300.0  # between two tokens; a long prompt comes before the first
_TOKENS_AROUND: Final = 8  # that a chat template puts around a message, at most about
_OURS: Final = frozenset({"stream", "stream_options", "n", "model"})


def llama_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """What llama.cpp's server is asked for a client's request.

    It knows OpenAI's schemas for answers by another form, and heeds no schema in OpenAI's.
    """
    wanted = {name: value for name, value in body.items() if name not in _OURS}
    form = wanted.get("response_format")
    if isinstance(form, dict) and form.get("type") == "json_schema":
        named = form.get("json_schema")
        schema = named.get("schema") if isinstance(named, dict) else None
        if not isinstance(schema, dict):
            message = "response_format of type json_schema holds no json_schema.schema"
            raise Refused(400, "invalid_request", message)
        wanted["response_format"] = {"type": "json_object", "schema": schema}
    return {**wanted, "stream": True}


class Refused(Exception):  # noqa: N818 - becomes an HTTP reply
    """A request that cannot be served; OpenAI's status and code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        super().__init__(message)


class BrokenOff(Exception):  # noqa: N818 - handled by the endpoint
    """The model's process ended, or fell silent, under a request."""


class Completion:
    """One request and what came of it.

    Args:
        served: whose turn it is.
        process: its process.
        body: of the client's request.
    """

    def __init__(self, served: ServedModel, process: ModelProcess, body: Mapping[str, Any]) -> None:
        self._served = served
        self._process = process
        self._body = body
        self._pieces: list[str] = []
        self._last: dict[str, Any] = {}
        self._finish_reason: str | None = None
        self._prompt_tokens = 0

    async def check(self) -> None:
        """Count the prompt's tokens.

        Raises:
            Refused: it does not fit into the context.
            BrokenOff: the process has ended.
        """
        messages = self._body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise Refused(400, "invalid_request", "messages is missing or empty")
        texts = [str(m.get("content") or "") for m in messages if isinstance(m, dict)]
        counted = await self._count("\n".join(texts))
        self._prompt_tokens = counted + _TOKENS_AROUND * len(messages)
        context = self._served.model.context_tokens
        if self._prompt_tokens >= context:
            raise Refused(
                400,
                "context_length_exceeded",
                f"The prompt has {self._prompt_tokens:,} tokens and the context of local model "
                f"{self._served.model.name!r} holds {context:,}; shorten it, or add the model "
                "again with a larger --context",
            )

    async def chunks(self) -> AsyncGenerator[dict[str, Any], None]:
        """OpenAI's chunks as they come, with the model's name as it was added.

        Raises:
            Refused: llama.cpp's server refuses the request.
            BrokenOff: the process ended, or sends nothing any more.
        """
        wanted = llama_request(self._body)
        request = self._served.client.build_request(
            "POST",
            f"{self._process.base_url}/v1/chat/completions",
            headers=self._process.headers,
            json=wanted,
            timeout=httpx.Timeout(10.0, read=_STALL_S_MAX),
        )
        try:
            reply = await self._served.client.send(request, stream=True)
            try:
                await _check_status(reply)
                async with aclosing(self._events(reply)) as events:
                    async for chunk in events:
                        yield chunk
            finally:
                await reply.aclose()
        except (httpx.HTTPError, Nonsense) as failure:
            raise BrokenOff(str(failure) or type(failure).__name__) from None
        if self._finish_reason is None:
            raise BrokenOff("its stream ended before the answer did")

    async def usage_chunk(self) -> dict[str, Any]:
        """The chunk that ends a stream whose client wants the usage."""
        usage = await self._usage()
        return {**self._last, "choices": [], "usage": usage}

    async def joined(self) -> dict[str, Any]:
        """The answer as one object."""
        async with aclosing(self.chunks()) as chunks:
            async for _ in chunks:
                pass
        message = {"role": "assistant", "content": "".join(self._pieces)}
        choice = {"index": 0, "message": message, "finish_reason": self._finish_reason}
        usage = await self._usage()
        return {**self._last, "object": "chat.completion", "choices": [choice], "usage": usage}

    async def _events(self, reply: httpx.Response) -> AsyncGenerator[dict[str, Any], None]:
        async with aclosing(lines(reply)) as told:
            async for line in told:
                if not line.startswith(_EVENT):
                    continue
                data = line.removeprefix(_EVENT)
                if data == _DONE:
                    return
                yield self._parsed(data)

    def _parsed(self, data: str) -> dict[str, Any]:
        try:
            return self._taken(json.loads(data))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
            raise BrokenOff("its stream holds an event that is no chunk") from None

    def _taken(self, chunk: dict[str, Any]) -> dict[str, Any]:
        chunk["model"] = self._served.model.name
        choice = chunk["choices"][0]
        piece = choice["delta"].get("content")
        if isinstance(piece, str):
            self._pieces.append(piece)
        self._finish_reason = choice.get("finish_reason") or self._finish_reason
        self._last = {name: value for name, value in chunk.items() if name != "choices"}
        return chunk

    async def _usage(self) -> dict[str, int]:
        completion = await self._count("".join(self._pieces))
        return {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self._prompt_tokens + completion,
        }

    async def _count(self, text: str) -> int:
        if not text:
            return 0
        asking = self._served.client.stream(
            "POST",
            f"{self._process.base_url}/extras/tokenize/count",
            headers=self._process.headers,
            json={"input": text},
            timeout=30.0,
        )
        try:
            async with asking as reply:
                return await fact(reply, "count")
        except (httpx.HTTPError, Nonsense) as failure:
            raise BrokenOff(str(failure) or type(failure).__name__) from None


async def _check_status(reply: httpx.Response) -> None:
    if reply.status_code == httpx.codes.OK:
        return
    said = (await body(reply))[:2000].decode(errors="replace")
    status = reply.status_code if reply.is_client_error else 400
    raise Refused(status, "invalid_request", f"llama.cpp refuses the request: {said}")
