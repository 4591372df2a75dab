"""A scripted OpenAI-compatible server, well-behaved and ill-behaved: real HTTP on loopback.

    async with ScriptedModel([Reply("```python\nprint(1)\n```")]) as model:
        ... model.base_url ... model.requests ...

    python tests/scripted_model.py --port 8099 --script answers.json

A script is a JSON list; each item is the text of an answer, or an object with the fields of
`Reply`. Answers are given in order, and the last one again and again. It needs nothing but the
standard library.
"""

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MODELS = ("phi3:mini", "mistral", "gpt-oss:20b")


@dataclass(frozen=True)
class Reply:
    """How one request is answered."""

    text: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "text/event-stream"
    raw: str | None = None  # sent as the body in place of events
    thought: str = ""  # reasoning, sent apart from the answer and before it
    chunk_chars: int = 12
    first_token_delay_s: float = 0.0
    chunk_delay_s: float = 0.0
    cut_after_chars: int | None = None  # then the stream ends
    cut_hard: bool = True  # True: the connection drops; False: it ends as if all were well
    endless: bool = False  # the text over and over, until the client leaves
    error_event: str = ""  # an error as the stream's last event
    finish_reason: str | None = "stop"
    usage: tuple[int, int] | None = (100, 50)  # None: the endpoint does not count
    done: bool = True  # whether [DONE] ends the stream


class DisconnectedError(Exception):
    """The script says that the connection ends here."""


@dataclass
class ScriptedModel:
    """The server; `requests` holds the bodies it was sent, `headers` their headers."""

    script: Sequence[Reply | str] = ()
    host: str = "127.0.0.1"
    port: int = 0
    models: Sequence[str] = MODELS
    models_status: int = 200
    models_body: str | None = None  # in place of the list
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    open_streams: int = 0
    left_early: int = 0  # streams that the client closed before their end
    asked: asyncio.Event = field(default_factory=asyncio.Event)  # once a request came
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def base_url(self) -> str:
        return f"http://{self.host}:{self.port}/v1"

    async def __aenter__(self) -> "ScriptedModel":
        self._server = await asyncio.start_server(self._accept, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self._idle.set()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def closed_streams(self) -> None:
        """Wait until no stream is open."""
        await self._idle.wait()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._converse(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _read_request(reader)
            if request is not None:
                await self._respond(*request, reader, writer)
        except (DisconnectedError, ConnectionError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _respond(
        self,
        path: str,
        headers: dict[str, str],
        body: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if path == "/v1/models":
            _write_whole(writer, self.models_status, self.models_body or self._listed())
        elif path == "/v1/chat/completions":
            self.requests.append(json.loads(body))
            self.headers.append(headers)
            self.asked.set()
            await self._answer(self._next_reply(), reader, writer)
        else:
            _write_whole(writer, 404, json.dumps({"error": {"message": f"no {path} here"}}))
        await writer.drain()

    def _listed(self) -> str:
        models = [{"id": name, "object": "model", "owned_by": "library"} for name in self.models]
        return json.dumps({"object": "list", "data": models})

    def _next_reply(self) -> Reply:
        reply = self.script[min(len(self.requests), len(self.script)) - 1]
        return Reply(reply) if isinstance(reply, str) else reply

    async def _answer(
        self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if reply.status != 200:
            body = reply.raw or json.dumps({"error": {"message": reply.text, "type": "scripted"}})
            _write_whole(writer, reply.status, body, reply.headers)
            return
        self.open_streams += 1
        self._idle.clear()
        departure = asyncio.ensure_future(reader.read(1))  # a client that streams says no more
        delivery = asyncio.ensure_future(_stream(reply, writer))
        try:
            await asyncio.wait({departure, delivery}, return_when=asyncio.FIRST_COMPLETED)
            if departure.done():
                self.left_early += 1
                raise DisconnectedError
            delivery.result()
        except ConnectionError:
            self.left_early += 1
            raise
        finally:
            self.open_streams -= 1
            if not self.open_streams:
                self._idle.set()
            for task in (departure, delivery):
                task.cancel()
            await asyncio.gather(departure, delivery, return_exceptions=True)


async def _stream(reply: Reply, writer: asyncio.StreamWriter) -> None:
    head = {
        "content-type": reply.content_type,
        "transfer-encoding": "chunked",
        "connection": "close",
    }
    _write_head(writer, 200, head | reply.headers)
    await writer.drain()
    await asyncio.sleep(reply.first_token_delay_s)
    if reply.raw is not None:
        _write_chunk(writer, reply.raw)
    else:
        async for event in _events(reply):
            _write_chunk(writer, f"data: {event}\n\n")
            await writer.drain()
    if reply.cut_after_chars is not None and reply.cut_hard:
        await writer.drain()
        raise DisconnectedError
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _events(reply: Reply) -> AsyncIterator[str]:
    yield _chunk({"role": "assistant", "content": ""})
    for piece in _pieces(reply.thought, reply.chunk_chars):
        yield _chunk({"reasoning_content": piece})
    while True:
        for piece in _pieces(reply.text[: reply.cut_after_chars], reply.chunk_chars):
            yield _chunk({"content": piece})
            await asyncio.sleep(reply.chunk_delay_s)
        if not reply.endless:
            break
    if reply.error_event:
        yield json.dumps({"error": {"message": reply.error_event}})
    if reply.cut_after_chars is not None or reply.error_event:
        return
    yield _chunk({}, reply.finish_reason)
    if reply.usage:
        prompt, completion = reply.usage
        usage = {"prompt_tokens": prompt, "completion_tokens": completion}
        yield json.dumps(_envelope([]) | {"usage": usage | {"total_tokens": prompt + completion}})
    if reply.done:
        yield "[DONE]"


def _pieces(text: str, chars: int) -> list[str]:
    return [text[start : start + chars] for start in range(0, len(text), chars)]


def _chunk(delta: dict[str, str], finish_reason: str | None = None) -> str:
    return json.dumps(
        _envelope([{"index": 0, "delta": delta, "finish_reason": finish_reason}]),
        ensure_ascii=False,
    )


def _envelope(choices: list[dict[str, Any]]) -> dict[str, Any]:
    head = {"id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 0}
    return head | {"model": "scripted", "choices": choices}


async def _read_request(
    reader: asyncio.StreamReader,
) -> tuple[str, dict[str, str], bytes] | None:
    line = await reader.readline()
    if not line:
        return None
    path = line.split()[1].decode().partition("?")[0]
    headers: dict[str, str] = {}
    while (line := await reader.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return path, headers, body


def _write_whole(
    writer: asyncio.StreamWriter, status: int, body: str, headers: dict[str, str] | None = None
) -> None:
    content = body.encode()
    head = {
        "content-type": "application/json",
        "content-length": str(len(content)),
        "connection": "close",
    }
    _write_head(writer, status, head | (headers or {}))
    writer.write(content)


def _write_head(writer: asyncio.StreamWriter, status: int, headers: dict[str, str]) -> None:
    lines = [
        f"HTTP/1.1 {status} Scripted",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))


def _write_chunk(writer: asyncio.StreamWriter, text: str) -> None:
    content = text.encode()
    if content:
        writer.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")


def read_script(path: Path) -> list[Reply]:
    """Read a script: a JSON list of texts and objects."""
    items = json.loads(path.read_text(encoding="utf-8"))
    return [Reply(text=item) if isinstance(item, str) else Reply(**item) for item in items]


async def _serve(host: str, port: int, script: Sequence[Reply]) -> None:
    async with ScriptedModel(script, host, port) as model:
        print(f"scripted model at {model.base_url} with {len(script)} answers", flush=True)
        await asyncio.Event().wait()


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", type=Path, required=True)
    options = parser.parse_args(arguments)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(options.host, options.port, read_script(options.script)))


if __name__ == "__main__":
    main(sys.argv[1:])
