"""What the process of a local model answers is bounded and parsed as data, whoever sits in it."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from capibara6.local_models import replies
from capibara6.local_models.completions import BrokenOff, Completion, Refused
from capibara6.local_models.replies import BODY_BYTES_MAX, Nonsense

CHUNK = b'data: {"choices": [{"delta": {"content": "1"}, "finish_reason": "stop"}]}\n'
ASKED = {"messages": [{"role": "user", "content": "1?"}]}


class Whole(httpx.AsyncByteStream):
    """An answer in one piece, as from a socket."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.content


class Endless(httpx.AsyncByteStream):
    """The same piece for ever; counts what was taken of it."""

    def __init__(self, piece: bytes) -> None:
        self.piece = piece
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.taken += len(self.piece)
            yield self.piece


def completion(answer: Any, count: Any = b'{"count": 3}', status: int = 200) -> Completion:
    def reply(request: httpx.Request) -> httpx.Response:
        counts = request.url.path.endswith("count")
        content = count if counts else answer
        stream = Whole(content) if isinstance(content, bytes) else content
        return httpx.Response(200 if counts else status, stream=stream)

    client = httpx.AsyncClient(transport=httpx.MockTransport(reply))
    served = SimpleNamespace(client=client, model=SimpleNamespace(name="m", context_tokens=99))
    process = SimpleNamespace(base_url="http://127.0.0.1:1", headers={})
    return Completion(served, process, ASKED)  # type: ignore[arg-type]


async def test_an_answer_is_joined_and_counted() -> None:
    asked = completion(b": a comment\r\n" + CHUNK + b"data: [DONE]\n")
    await asked.check()
    joined = await asked.joined()
    assert joined["choices"][0]["message"]["content"] == "1"
    assert (joined["model"], joined["usage"]["completion_tokens"]) == ("m", 3)


@pytest.mark.parametrize("piece", [b"data: " * 10_000, b'data: {"x": 1' * 10_000])
async def test_a_line_without_end_breaks_off(piece: bytes) -> None:
    endless = Endless(piece)
    with pytest.raises(BrokenOff, match="no end"):
        await completion(endless).joined()
    assert endless.taken < 2 * replies.LINE_BYTES_MAX


async def test_a_stream_without_end_breaks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "STREAM_BYTES_MAX", 1_000_000)
    endless = Endless(CHUNK * 100)
    with pytest.raises(BrokenOff, match="no end"):
        await completion(endless).joined()
    assert endless.taken < 1_100_000


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"data: [DONE]\n",
        b"data: {\n",
        b"data: 5\n",
        b'data: {"choices": []}\n',
        b"data: " + b"[" * 100_000 + b"\n",
        b"\xff\xfe\x00" * 10,
    ],
)
async def test_what_is_no_answer_breaks_off(answer: bytes) -> None:
    with pytest.raises(BrokenOff):
        await completion(answer).joined()


@pytest.mark.parametrize(
    "count", [b"", b"5", b"{}", b'{"count": []}', b'{"count": 1e999}', Endless(b"1" * 1000)]
)
async def test_what_is_no_count_breaks_off(count: Any) -> None:
    with pytest.raises(BrokenOff, match="holds no count"):
        await completion(CHUNK, count).check()
    if isinstance(count, Endless):
        assert count.taken < 2 * BODY_BYTES_MAX


async def test_a_refusal_is_told_in_part() -> None:
    endless = Endless(b"no " * 1000)
    with pytest.raises(Refused) as refused:
        await completion(endless, status=400).joined()
    assert len(str(refused.value)) < 3000
    assert endless.taken < 2 * BODY_BYTES_MAX


@pytest.mark.parametrize("line", [b"", b"5\n", b"[]\n", b"{\n", b'{"walls": 5}\n', b"[" * 100_000])
def test_what_is_no_report_is_refused(line: bytes) -> None:
    with pytest.raises(Nonsense):
        replies.report(line)
