import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara6_guest.wire import CallError
from capibara6_sandbox.gateway.envd.connect_rpc import basic_user
from capibara6_sandbox.gateway.envd.envelopes import (
    COMPRESSED,
    END,
    MESSAGE_BYTES_MAX,
    envelope,
    envelopes,
)
from capibara6_sandbox.gateway.envd.errors import CONNECT_STATUS, connect_error

texts = st.dictionaries(st.sampled_from(["path", "tag", "cmd"]), st.text(max_size=30))


async def pieces(content, sizes):
    while content:
        size = sizes.pop() if sizes else len(content)
        yield content[:size]
        content = content[size:]


async def parsed(content, sizes=()):
    return [message async for message in envelopes(pieces(content, list(sizes)))]


@given(st.lists(texts, max_size=5), st.lists(st.integers(1, 20), max_size=40))
async def test_envelopes_survive_however_the_body_is_cut(messages, sizes):
    content = b"".join(envelope(message) for message in messages)
    found = await parsed(content, sizes)
    assert [
        {name: message.text(name) for name in sent}
        for message, sent in zip(found, messages, strict=True)
    ] == messages


@given(st.binary(max_size=200))
async def test_any_body_is_parsed_or_refused(content):
    with contextlib.suppress(CallError):  # nothing else may come out of it
        await parsed(content)


async def test_a_cut_envelope_is_refused():
    for length in range(1, len(envelope({"path": "x"}))):
        with pytest.raises(CallError, match="cut inside a message"):
            await parsed(envelope({"path": "x"})[:length])


async def test_what_is_not_supported_is_refused():
    with pytest.raises(CallError, match="compressed"):
        await parsed(envelope({}, COMPRESSED))
    with pytest.raises(CallError, match="resource_exhausted"):
        await parsed(struct.pack(">BI", 0, MESSAGE_BYTES_MAX + 1))


async def test_the_end_of_a_stream_is_no_message():
    assert await parsed(envelope({}, END)) == []


@pytest.mark.parametrize(
    ("header", "user"),
    [
        ("Basic dXNlcjo=", "user"),
        ("basic dXNlcjpwYXNz", "user"),
        ("Basic OnBhc3M=", ""),
        ("Basic dXNlcg==", None),
        ("Basic not base64", None),
        ("Basic /w==", None),
        ("Bearer dXNlcjo=", None),
        ("", None),
        (None, None),
    ],
)
def test_the_user_comes_from_basic_authorization(header, user):
    assert basic_user(header) == user


def test_an_error_has_a_code_that_connect_knows():
    assert connect_error(CallError("invented", "x"))["code"] == "unknown"
    for code in CONNECT_STATUS:
        assert connect_error(CallError(code, "x")) == {"code": code, "message": "x"}


def test_an_error_has_a_message_that_json_can_carry():
    assert connect_error(CallError("internal", "a\udcffb\ud800"))["message"] == "a\ufffdb\ufffd"
