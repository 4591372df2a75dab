"""Slow readers, endless output, many requests and streams at once: bounded, fair, and told."""

import asyncio
import contextlib
import json
import resource
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from e2b_code_interpreter import Sandbox

from capibara6_sandbox.gateway.envd.envelopes import envelope
from support import data_plane
from support.data_plane import CODE_INTERPRETER_PORT, ENVD_PORT
from support.sandbox_server import SandboxServer, wait_until

MIB = 1 << 20
STREAM_MIB = 64  # what streams that nobody reads may cost the server
REFUSED = 20  # of forty bodies of 15 MB, at least, by a server that holds 256 MB of them
ENDLESS = "while True:\n    print('x' * 1000)"


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    server = SandboxServer(("--pool", "1")).start()
    yield server
    assert server.stop() == 0


@pytest.fixture
def sandbox(server: SandboxServer) -> Iterator[Sandbox]:
    sandbox = Sandbox.create(timeout=600, **server.sdk)
    yield sandbox
    with contextlib.suppress(Exception):
        sandbox.kill()


def address(server: SandboxServer) -> tuple[str, int]:
    host, _, port = server.url.removeprefix("http://").partition(":")
    return host, int(port)


def request(
    server: SandboxServer, sandbox: Sandbox, port: int, path: str, body: bytes, kind: str
) -> bytes:
    headers = {
        **data_plane.headers(sandbox, port),
        "Host": "{}:{}".format(*address(server)),
        "Content-Type": kind,
        "Content-Length": str(len(body)),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def execution(server: SandboxServer, sandbox: Sandbox, code: str) -> bytes:
    body = json.dumps({"code": code}).encode()
    path = "/execute"
    return request(server, sandbox, CODE_INTERPRETER_PORT, path, body, "application/json")


def streamed(server: SandboxServer, sandbox: Sandbox, call: str, message: dict) -> bytes:
    return request(
        server, sandbox, ENVD_PORT, f"/{call}", envelope(message), "application/connect+json"
    )


async def unread(server: SandboxServer, asked: bytes) -> asyncio.StreamWriter:
    """Ask, and read nothing of the reply."""
    reader, writer = await asyncio.open_connection(*address(server), limit=1)
    writer.transport.pause_reading()
    writer.write(asked)
    await writer.drain()
    del reader
    return writer


def agents_bytes(server: SandboxServer) -> int:
    """Return what the agents of all sandboxes hold."""
    total = 0
    for pid in server.descendants():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().startswith("c6-agent"):
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    return total


def quick(server: SandboxServer, sandbox: Sandbox) -> float:
    """Return how long a cell of another sandbox takes."""
    begun = time.monotonic()
    assert sandbox.run_code("6 * 7").text == "42"
    return time.monotonic() - begun


@pytest.mark.parametrize("kind", ["execution", "command"])
async def test_endless_output_that_nobody_reads_fills_no_memory(
    server: SandboxServer, sandbox: Sandbox, kind: str
) -> None:
    if kind == "execution":
        asked = execution(server, sandbox, ENDLESS)
    else:
        process = {"process": {"cmd": "/bin/sh", "args": ["-c", "exec yes"]}}
        asked = streamed(server, sandbox, "process.Process/Start", process)
    other = Sandbox.create(timeout=600, **server.sdk)
    try:
        await asyncio.to_thread(quick, server, other)
        before, agents_before = server.memory_bytes(), agents_bytes(server)
        writers = [await unread(server, asked) for _ in range(4)]
        for _ in range(12):
            await asyncio.sleep(0.25)
            await asyncio.to_thread(quick, server, other)  # others are served meanwhile
        assert server.memory_bytes() - before < STREAM_MIB * MIB
        assert agents_bytes(server) - agents_before < STREAM_MIB * MIB
        for writer in writers:
            writer.transport.abort()
        await asyncio.to_thread(quick, server, sandbox)
    finally:
        other.kill()


async def test_ten_thousand_requests_at_once_are_served_or_refused(server: SandboxServer) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(10_000, hard - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asked = (
        "GET /v2/sandboxes HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"X-API-KEY: {server.key}\r\n\r\n"
    ).encode()
    before, fds = server.memory_bytes(), server.open_fds()
    try:
        async with asyncio.timeout(100):
            replies = await asyncio.gather(*(one_of_many(server, asked) for _ in range(count)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    statuses = Counter(replies)
    # 0: the connection was closed to make place, or reset while the refusal was on its way.
    assert set(statuses) <= {0, 200, 429, 503}, statuses
    assert statuses[200] > count / 10, statuses
    assert server.memory_bytes() - before < 256 * MIB
    async with httpx.AsyncClient(base_url=server.url) as http:
        headers = {"X-API-KEY": server.key}
        assert (await http.get("/v2/sandboxes", headers=headers)).status_code == 200
    await asyncio.to_thread(wait_until, lambda: server.open_fds() < fds + 20)


async def one_of_many(server: SandboxServer, asked: bytes) -> int:
    """Return the status of a reply; 0 for none."""
    try:
        reader, writer = await asyncio.open_connection(*address(server))
    except OSError:
        return 0
    try:
        writer.write(asked)
        reply = await reader.read(64)
        return int(reply.split(b" ", 2)[1]) if reply else 0
    except OSError:
        return 0
    finally:
        writer.close()


async def test_a_sandbox_has_only_so_many_streams_and_others_do_not_notice(
    server: SandboxServer, sandbox: Sandbox
) -> None:
    program = sandbox.commands.run("sleep 600", background=True)
    listen = {"process": {"pid": program.pid}}
    asked = streamed(server, sandbox, "process.Process/Connect", listen)
    other = Sandbox.create(timeout=600, **server.sdk)
    connections, statuses = [], Counter()
    try:
        before, agents_before = server.memory_bytes(), agents_bytes(server)
        for _ in range(700):
            connections.append(await asyncio.open_connection(*address(server)))
            connections[-1][1].write(asked)
        for reader, _ in connections:
            async with asyncio.timeout(60):
                head = await reader.readuntil(b"\r\n\r\n")
                first = await reader.readuntil(b"}")
            assert b" 200 " in head
            statuses[b"limit: 512" in first] += 1
        assert statuses == {False: 511, True: 189}  # with the one that started the program
        assert server.memory_bytes() - before < 128 * MIB
        assert agents_bytes(server) - agents_before < 64 * MIB
        await asyncio.to_thread(quick, server, other)
        for _, writer in connections:
            writer.close()
        await asyncio.sleep(1)
        await asyncio.to_thread(quick, server, sandbox)
        assert sandbox.files.list("/tmp") is not None
    finally:
        other.kill()


async def test_bodies_that_are_collected_share_a_bounded_room(server: SandboxServer) -> None:
    """Forty clients send 15 MB each, and hold back the end."""
    size = 15_000_000
    head = (
        "POST /v2/sandboxes HTTP/1.1\r\nHost: localhost\r\n"
        f"X-API-KEY: {server.key}\r\nContent-Length: {size}\r\n\r\n"
    ).encode()
    before = server.memory_bytes()
    senders = [asyncio.create_task(sent(server, head, size - 1)) for _ in range(40)]
    try:
        async with asyncio.timeout(60):
            while len([task for task in senders if task.done()]) < REFUSED:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        refused = [task for task in senders if task.done() and b" 503 " in task.result()]
        assert len(refused) >= REFUSED
        assert server.memory_bytes() - before < 700 * MIB
    finally:
        for sender in senders:
            sender.cancel()
        await asyncio.wait(senders)
    headers = {"X-API-KEY": server.key}
    body = {"templateID": "base", "metadata": {"a": "b" * 1_000_000}}

    def served_again() -> bool:
        made = httpx.post(f"{server.url}/v2/sandboxes", headers=headers, json=body, timeout=30)
        if made.status_code == 201:
            path = f"{server.url}/sandboxes/{made.json()['sandboxID']}"
            httpx.delete(path, headers=headers)
        return made.status_code == 201

    await asyncio.to_thread(wait_until, served_again)


async def sent(server: SandboxServer, head: bytes, size: int) -> bytes:
    """Send a body but for its end; return the first bytes of the refusal, which may not come."""
    reader, writer = await asyncio.open_connection(*address(server))
    try:
        writer.write(head)
        reading = asyncio.create_task(reader.read(64))
        with contextlib.suppress(OSError):
            for _ in range(size // 1_000_000):
                writer.write(b" " * 1_000_000)
                await writer.drain()
                if reading.done():
                    break
        return await reading
    except OSError:
        return b""
    finally:
        writer.transport.abort()
