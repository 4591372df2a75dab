"""TLS in memory, between two ends of a pair of sockets."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from capibara6_sandbox.host.authority import Authority
from capibara6_sandbox.network.certificates import Certificates
from capibara6_sandbox.network.streams import PatientStream, PlainStream, TlsStream, drop

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    one, other = socket.socketpair()
    with one, other:
        for end in (one, other):
            end.setblocking(False)
        yield one, other


@contextlib.asynccontextmanager
async def secured(ends: Ends, name: str = "a.test") -> AsyncIterator[tuple[TlsStream, TlsStream]]:
    """Give a client and a server that have met; the server speaks for a.test."""
    authority = await Authority.create("of a test")
    signed = await authority.vouch("a.test")
    asked: list[str] = []
    certificates = Certificates(asked.append)
    finding = asyncio.create_task(certificates.find("a.test"))
    await asyncio.sleep(0)
    certificates.take("a.test", signed.certificate + signed.key)
    trust = ssl.create_default_context(cadata=authority.certificate)
    client = TlsStream(PlainStream(ends[0]), trust, name)
    server = TlsStream(PlainStream(ends[1]), await finding)
    async with asyncio.TaskGroup() as group:
        group.create_task(client.shake_hands())
        group.create_task(server.shake_hands())
    yield client, server
    assert asked == ["a.test"]


async def test_much_arrives_whole_in_both_directions(ends: Ends) -> None:
    async with secured(ends) as (client, server):
        sent = bytes(range(256)) * 10_000

        async def collect(stream: TlsStream) -> bytes:
            pieces = []
            while piece := await stream.receive():
                pieces.append(piece)
            return b"".join(pieces)

        async def give(stream: TlsStream) -> None:
            await stream.send(sent)
            await stream.end()

        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            for stream in (client, server):
                group.create_task(give(stream))
            got = [group.create_task(collect(stream)) for stream in (client, server)]
        assert [task.result() for task in got] == [sent, sent]


async def test_a_name_that_the_certificate_does_not_bear_is_not_believed(ends: Ends) -> None:
    with pytest.raises(ExceptionGroup) as failure:
        async with secured(ends, "b.test"):
            pass
    assert failure.group_contains(ssl.SSLCertVerificationError)


async def test_an_end_within_tls_is_an_error(ends: Ends) -> None:
    async with secured(ends) as (client, _):
        ends[1].shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionResetError):
            await client.receive()


async def test_bytes_that_are_no_tls_are_an_error(ends: Ends) -> None:
    stream = TlsStream(
        PlainStream(ends[0], b"GET / HTTP/1.1\r\n\r\n"), ssl.create_default_context(), "a"
    )
    with pytest.raises(ssl.SSLError):
        await stream.shake_hands()


async def test_what_was_read_before_comes_first(ends: Ends) -> None:
    ends[1].sendall(b" world")
    stream = PlainStream(ends[0], b"hello")
    assert [await stream.receive(3), await stream.receive(3)] == [b"hel", b"lo"]
    assert await stream.receive() == b" world"


async def test_a_receive_that_was_given_up_loses_nothing(ends: Ends) -> None:
    stream = PatientStream(PlainStream(ends[0]))
    waiting = asyncio.create_task(stream.receive())
    await asyncio.sleep(0.01)
    ends[1].sendall(b"late")
    await drop(waiting)
    assert await stream.receive() == b"late"
    await stream.close()


async def test_certificates_that_nobody_brings_are_refused() -> None:
    asked: list[str] = []
    certificates = Certificates(asked.append)
    waiting = [asyncio.create_task(certificates.find(f"{n}.test")) for n in range(16)]
    await asyncio.sleep(0)
    with pytest.raises(ConnectionRefusedError, match="too many"):
        await certificates.find("one-more.test")
    for name in list(asked):
        certificates.take(name, "")
    certificates.take("never-asked.test", "")
    refused = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(cause, ConnectionRefusedError) for cause in refused)


async def test_authorities_show_no_key(tmp_path: Path) -> None:
    authority = await Authority.create("of a test")
    signed = await authority.vouch("a.test")
    assert "PRIVATE" not in repr((authority, signed)) + authority.certificate
