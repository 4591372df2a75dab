import asyncio

import pytest

from capibara6_guest import wire
from capibara6_guest.agent import Agent


class Writer:
    """As much of a StreamWriter as the agent uses."""

    def __init__(self):
        self.frames = asyncio.StreamReader()

    def get_extra_info(self, name):
        return self

    def setsockopt(self, *option):
        pass

    def write(self, data):
        self.frames.feed_data(data)

    async def drain(self):
        pass

    def close(self):
        self.frames.feed_eof()


async def answer(operation):
    reader, writer = asyncio.StreamReader(), Writer()
    reader.feed_data(wire.encode_message({"op": "tested"}))
    reader.feed_eof()
    await Agent({"tested": operation})._accept(reader, writer)
    kind, payload = await wire.read_frame(writer.frames)
    assert kind == wire.MESSAGE
    return wire.decode_message(payload)


async def test_a_reply_that_is_too_large_is_an_error():
    async def operation(call):
        return {"large": "x" * wire.MESSAGE_BYTES_MAX}

    assert (await answer(operation))["error"]["code"] == "resource_exhausted"


@pytest.mark.parametrize("failure", [KeyError("x"), wire.CallError("internal", "x" * 10**8)])
async def test_an_operation_that_fails_is_an_error_of_bounded_size(failure):
    async def operation(call):
        raise failure

    error = (await answer(operation))["error"]
    assert error["code"] == "internal"
    assert len(error["message"]) <= 10_000
