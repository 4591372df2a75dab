"""What a client may take of an HTTP server: places, heads, time. Against real sockets."""

import asyncio
import contextlib
import functools
import json

import pytest
import uvicorn

from capibara6_http.connections import BoundedHttpProtocol, Bounds
from capibara6_http.places import Places

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
QUICK = {"head_s": 0.3, "body_silence_s": 0.3, "rest_s": 0.3, "stall_s": 0.3}


async def app(scope, receive, send):
    """Answers with its headers' names; /read with its body's size; /endless without end."""
    told = [name.decode() for name, _ in scope["headers"]]
    if scope["path"] == "/wait":
        await asyncio.sleep(1.0)
    elif scope["path"] == "/read":
        told, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            told, more = told + len(message["body"]), message["more_body"]
        told = [told, [name.decode() for name, _ in scope["headers"]]]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    piece = {"type": "http.response.body", "body": b"x" * 65_536, "more_body": True}
    while scope["path"] == "/endless":
        await send(piece)
        await asyncio.sleep(0)
        if app.left:
            return
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


app.left = False


@contextlib.asynccontextmanager
async def serving(bounds: Bounds):
    app.left = False
    config = uvicorn.Config(
        app,
        port=0,
        http=functools.partial(BoundedHttpProtocol, bounds=bounds),
        lifespan="off",
        log_level="critical",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        app.left = server.should_exit = True
        await task


async def connected(port):
    return await asyncio.open_connection("127.0.0.1", port)


async def asked(port, request):
    """Send bytes; return all that comes until the server closes, or is silent for a while."""
    reader, writer = await connected(port)
    writer.write(request)
    reply = await ended(reader)
    writer.close()
    return reply


async def ended(reader, silence_s=5.0):
    reply = b""
    with contextlib.suppress(ConnectionResetError, TimeoutError):
        while piece := await asyncio.wait_for(reader.read(65_536), silence_s):
            reply += piece
            if reply.endswith(b"0\r\n\r\n"):
                break
    return reply


def status(reply):
    return int(reply.split(b" ", 2)[1]) if reply else 0


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"a: " + b"x" * 70_000 + b"\r\n\r\n",
        HEAD + b"a: " + b"x" * 1_000_000,  # never ends
        b"GET /" + b"x" * 1_000_000,
        HEAD + b"a: b\r\n" * 300 + b"\r\n",
        HEAD + b"".join(b"a%d: %b\r\n" % (n, b"x" * 1000) for n in range(100)) + b"\r\n",
        (HEAD + b"\r\n") * 30,
    ],
)
async def test_a_head_beyond_its_bounds_is_refused(head):
    async with serving(Bounds()) as port:
        reply = await asked(port, head)
        if head.startswith(HEAD + b"\r\n"):  # amid the reply to the first there is nothing to say
            assert status(reply) in (0, 200)
        else:
            assert status(reply) == 431
            assert b'"code": 431' in reply
        assert status(await asked(port, HEAD + b"\r\n")) == 200


async def test_what_stands_behind_a_body_is_no_header():
    request = (
        b"POST /read HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"1\r\nx\r\n0\r\nX-Api-Key: late\r\n\r\n"
    )
    async with serving(Bounds()) as port:
        reply = await asked(port, request)
        assert b'[1, ["host", "transfer-encoding"]]' in reply
        endless = request[:-2] + b"b: " + b"x" * 2_000_000
        assert status(await asked(port, endless)) in (0, 431)


async def test_slow_heads_are_refused_in_time_and_others_served_meanwhile():
    async with serving(Bounds(**QUICK)) as port:
        silent = [await connected(port) for _ in range(20)]
        halves = [await connected(port) for _ in range(20)]
        for _, writer in halves:
            writer.write(HEAD)
        assert status(await asked(port, HEAD + b"\r\n")) == 200
        for reader, writer in silent + halves:
            reply = await ended(reader)
            assert status(reply) == 408
            writer.close()


async def test_a_body_that_stops_coming_ends_its_connection():
    async with serving(Bounds(**QUICK)) as port:
        request = b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nx"
        assert await asked(port, request) == b""


async def test_a_body_that_nobody_wanted_ends_its_connection():
    async with serving(Bounds(**QUICK)) as port:
        reader, writer = await connected(port)
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(20):
                while not reader.at_eof():
                    writer.write(b"1\r\nx\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.01)
        writer.close()


async def test_a_long_reply_is_not_cut_for_a_stray_line():
    async with serving(Bounds(**QUICK)) as port:
        reader, writer = await connected(port)
        writer.write(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"\r\n")  # old clients send one behind a body
        assert status(await ended(reader)) == 200
        writer.close()


async def test_a_reader_that_stands_still_is_cut():
    places = Places()
    async with serving(Bounds(places, **QUICK)) as port:
        _, writer = await connected(port)
        writer.transport.pause_reading()
        writer.write(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(20):
            while len(places) == 0:  # noqa: ASYNC110 - nor have places
                await asyncio.sleep(0.01)
            while len(places):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        writer.transport.abort()


async def test_an_idle_connection_gives_way_to_a_new_one():
    async with serving(Bounds(Places(4))) as port:
        idle = [await connected(port) for _ in range(4)]
        await asyncio.sleep(0.1)
        assert status(await asked(port, HEAD + b"\r\n")) == 200
        assert await ended(idle[0][0]) == b""  # the one that waited longest
        for _, writer in idle:
            writer.close()


async def test_when_all_are_busy_a_new_one_is_told_so_and_later_served():
    async with serving(Bounds(Places(4))) as port:
        busy = [await connected(port) for _ in range(4)]
        for _, writer in busy:
            writer.write(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await asyncio.sleep(0.2)
        reply = await asked(port, HEAD + b"\r\n")
        assert status(reply) == 503
        assert b"retry-after: 1" in reply.lower()
        for reader, writer in busy:
            assert status(await ended(reader)) == 200
            writer.close()
        assert status(await asked(port, HEAD + b"\r\n")) == 200
