"""Frames between the gateway and the guest: what is sent arrives, and garbage is told."""

import asyncio
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara6_guest import wire

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
MESSAGES = st.dictionaries(st.text(), JSON, max_size=6)


def read_all(data: bytes) -> list[tuple[int, bytes]]:
    async def read() -> list[tuple[int, bytes]]:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        frames = []
        while (frame := await wire.read_frame(reader)) is not None:
            frames.append(frame)
        return frames

    return asyncio.run(read())


@given(MESSAGES)
def test_messages_arrive_as_they_were_sent(message: dict[str, Any]) -> None:
    ((kind, payload),) = read_all(wire.encode_message(message))
    assert kind == wire.MESSAGE
    assert wire.decode_message(payload) == message


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_data_arrives_as_it_was_sent(pieces: list[bytes]) -> None:
    sent = b"".join(wire.encode(wire.DATA, piece) for piece in pieces) + wire.encode(wire.END)
    assert read_all(sent) == [*((wire.DATA, piece) for piece in pieces), (wire.END, b"")]


def test_lone_surrogates_survive() -> None:
    ((_, payload),) = read_all(wire.encode_message({"path": "\udcff"}))
    assert wire.decode_message(payload) == {"path": "\udcff"}


@given(MESSAGES, st.data())
def test_a_frame_that_is_cut_is_told(message: dict[str, Any], data: st.DataObject) -> None:
    frame = wire.encode_message(message)
    cut = data.draw(st.integers(1, len(frame) - 1))
    with pytest.raises(wire.FrameError, match="cut"):
        read_all(frame[:cut])


@given(st.binary(max_size=64))
def test_garbage_is_an_error_or_frames_but_nothing_else(garbage: bytes) -> None:
    try:
        frames = read_all(garbage)
    except wire.FrameError:
        return
    assert b"".join(wire.encode(*frame) for frame in frames) == garbage


@pytest.mark.parametrize(
    ("kind", "length"),
    [
        (wire.MESSAGE, wire.MESSAGE_BYTES_MAX + 1),
        (wire.DATA, wire.DATA_BYTES_MAX + 1),
        (wire.END, 1),
        (wire.MESSAGE, 2**32 - 1),
    ],
)
def test_a_length_beyond_its_limit_is_refused_before_it_is_read(kind: int, length: int) -> None:
    with pytest.raises(wire.FrameError, match=str(length)):
        read_all(struct.pack(">BI", kind, length))


@pytest.mark.parametrize("kind", [0, 4, 255])
def test_unknown_kinds_are_refused(kind: int) -> None:
    with pytest.raises(wire.FrameError, match=f"unknown frame kind {kind}"):
        read_all(struct.pack(">BI", kind, 0))


@given(st.binary(max_size=64))
def test_what_is_no_object_is_no_message(payload: bytes) -> None:
    try:
        parsed = json.loads(payload)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict):
        assert wire.decode_message(payload) == parsed
    else:
        with pytest.raises(wire.FrameError):
            wire.decode_message(payload)


def test_a_message_that_nests_too_deep_is_no_message() -> None:
    with pytest.raises(wire.FrameError):
        wire.decode_message(b'{"a":' * 100_000)
