"""The merging of a kernel's pipes: text cut anywhere, lines, background output, bad messages."""

import asyncio
import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara6_guest.kernels.output import IDLE_BYTES_MAX, OutputPipe
from capibara6_guest.kernels.streams import KernelStreams, MessageError


@pytest.fixture
def pipe() -> Iterator[tuple[OutputPipe, int]]:
    reading, writing = os.pipe()
    output = OutputPipe(reading, "stdout")
    yield output, writing
    output.close()
    os.close(writing)


def text_of(event: dict[str, object] | None) -> str | None:
    return None if event is None else str(event["text"])


@given(st.text(st.characters(exclude_categories=["Cs"])), st.lists(st.integers(0, 200)))
def test_text_survives_any_cut_of_its_bytes(text: str, cuts: list[int]) -> None:
    reading, writing = os.pipe()
    output = OutputPipe(reading, "stdout")
    data, seen, start = text.encode(), "", 0
    for end in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
        os.write(writing, data[start:end])
        start = end
        output.fill(0.0)
        seen += text_of(output.take(1.0)) or ""
    seen += text_of(output.take(1.0, flush=True)) or ""
    os.close(writing)
    output.close()
    assert seen == text


def test_whole_lines_are_given_at_once_and_the_rest_after_a_pause(
    pipe: tuple[OutputPipe, int],
) -> None:
    output, writing = pipe
    os.write(writing, b"line\n")
    output.fill(5.0)
    assert text_of(output.take(5.0)) == "line\n"
    os.write(writing, b"par")
    output.fill(5.0)
    assert output.take(5.0) is None
    due = output.due()
    assert due is not None
    os.write(writing, b"tial")
    output.fill(5.001)
    assert text_of(output.take(due)) == "partial"


def test_bytes_that_are_no_utf8_are_replaced(pipe: tuple[OutputPipe, int]) -> None:
    output, writing = pipe
    os.write(writing, b"a\xff\xc3")
    output.fill(0.0)
    assert text_of(output.take(0.0, flush=True)) == "a\ufffd\ufffd"


def test_an_event_carries_a_utc_time(pipe: tuple[OutputPipe, int]) -> None:
    output, writing = pipe
    os.write(writing, b"x\n")
    output.fill(0.0)
    event = output.take(0.0)
    assert event is not None
    assert event["type"] == "stdout"
    assert str(event["timestamp"]).endswith("Z")


async def test_background_output_is_read_and_its_end_is_kept(
    pipe: tuple[OutputPipe, int],
) -> None:
    output, writing = pipe
    output.start_idling()
    os.set_blocking(writing, False)
    sent = 0
    while sent < IDLE_BYTES_MAX + 1000:
        sent += os.write(writing, b"." * 1000)
        await asyncio.sleep(0)
    os.write(writing, b"end\n")
    await asyncio.sleep(0.01)
    output.stop_idling(keep=True)
    text = text_of(output.take(0.0, flush=True)) or ""
    assert text.endswith(".end\n")
    assert "bytes of background output dropped" in text
    assert len(text) < IDLE_BYTES_MAX + 100


@pytest.mark.parametrize("start", ["started", "number_of_executions"])
async def test_output_comes_between_the_messages_that_start_and_end_its_execution(
    start: str,
) -> None:
    (messages, to_messages), (out, to_out), (err, to_err) = os.pipe(), os.pipe(), os.pipe()
    streams = KernelStreams(messages, out, err)
    os.write(to_out, b"printed")
    os.write(to_messages, b'{"type": "%s"}\n{"type": "done"}\n' % start.encode())
    kinds = [(await streams.read())["type"] for _ in range(3)]
    assert kinds == [start, "stdout", "done"]
    for fd in (to_messages, to_out, to_err):
        os.close(fd)
    with pytest.raises(EOFError):
        await streams.read()
    streams.close()


@pytest.mark.parametrize("line", [b"no json\n", b"[1]\n", b"[" * 100_000 + b"\n"])
async def test_a_message_that_is_none_is_refused(line: bytes) -> None:
    (messages, to_messages), (out, to_out), (err, to_err) = os.pipe(), os.pipe(), os.pipe()
    streams = KernelStreams(messages, out, err)
    os.set_blocking(to_messages, False)
    writing = asyncio.create_task(_write(to_messages, line))
    with pytest.raises(MessageError):
        await streams.read()
    await writing
    streams.close()
    for fd in (to_messages, to_out, to_err):
        os.close(fd)


async def _write(fd: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            await asyncio.sleep(0)
