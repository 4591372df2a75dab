"""HTTP that is changed between a program and a server, both played by scripts."""

import asyncio
from collections.abc import Callable

import pytest

from capibara6_sandbox.network.http_headers import Headers
from capibara6_sandbox.network.interception import Interception
from capibara6_sandbox.network.relay import Allowance
from capibara6_sandbox.network.transforms import FillingError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Scripted:
    """A stream whose other side sends `pieces`, each when `received` has grown, then ends."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)
        self.received = b""
        self.ended = False

    async def receive(self, count_max: int = 65536) -> bytes:
        await asyncio.sleep(0)
        return self._pieces.pop(0) if self._pieces else b""

    async def send(self, data: bytes) -> None:
        self.received += data

    async def end(self) -> None:
        self.ended = True


def added() -> Headers:
    return [(b"X-Token", b"secret")]


async def passed(
    program: Scripted, server: Scripted | None, fill: Callable[[], Headers] = added
) -> None:
    async with asyncio.timeout(10):
        await Interception(program, server, "a.test", 443, fill, Allowance(0), "no server").run()


def request(*lines: str, body: str = "", target: str = "/", method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", body]).encode()


async def test_the_header_goes_to_the_server_and_the_reply_to_the_program() -> None:
    program, server = Scripted(request("Host: a.test", "x-TOKEN: forged")), Scripted(OK)
    await passed(program, server)
    assert server.received == b"GET / HTTP/1.1\r\nHost: a.test\r\nX-Token: secret\r\n\r\n"
    assert program.received == OK
    assert program.ended


async def test_each_request_of_a_connection_is_changed() -> None:
    one = request("Host: a.test")
    program, server = Scripted(one + one, one), Scripted(OK, OK, OK)
    await passed(program, server)
    assert server.received.count(b"X-Token: secret") == 3
    assert program.received == OK * 3


@pytest.mark.parametrize("host", ["other.test", "a.test.evil", "a.test:80", "a.test@evil", ""])
async def test_a_request_for_another_host_is_refused(host: str) -> None:
    program, server = Scripted(request(f"Host: {host}")), Scripted()
    await passed(program, server)
    assert program.received.startswith(b"HTTP/1.1 421 ")
    assert server.received == b""


async def test_other_spellings_of_the_own_host_are_not_refused() -> None:
    for host in ("A.Test", "a.test.", "a.test:443"):
        program, server = Scripted(request(f"Host: {host}")), Scripted(OK)
        await passed(program, server)
        assert program.received == OK


@pytest.mark.parametrize(
    "sent",
    [
        request("Host: a.test", target="http://other.test/"),
        request("Host: a.test", target="other.test:443", method="CONNECT"),
        request("Host: a.test", "Host: other.test"),
        request("Host: a.test", "Content-Length: 3", "Transfer-Encoding: chunked", method="POST"),
        request("Host: a.test", "Content-Length: 3", "Content-Length: 4", method="POST"),
        request("Host: a.test", "Transfer-Encoding: gzip", method="POST"),
        request("Host: a.test", "X-Token : forged"),
        request("Host: a.test", "X-Token\x00: forged"),
        request("X-Forgotten: host"),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01 no HTTP at all\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX: " + b"x" * 70_000,
    ],
)
async def test_what_servers_could_read_differently_is_refused(sent: bytes) -> None:
    program, server = Scripted(sent), Scripted()
    await passed(program, server)
    status = int(program.received.split(b" ")[1])
    assert 400 <= status <= 505
    assert server.received == b""


async def test_a_second_request_in_a_first_ones_body_stays_a_body() -> None:
    inner = request("Host: a.test", "X-Token: forged")
    outer = request("Host: a.test", f"Content-Length: {len(inner)}", method="POST")
    program, server = Scripted(outer + inner), Scripted(OK)
    await passed(program, server)
    head, _, rest = server.received.partition(b"\r\n\r\n")
    assert b"X-Token: secret" in head
    assert rest == inner


async def test_the_program_cannot_take_the_header_away() -> None:
    lines = ("Host: a.test", "Connection: X-Token, close", "X-Token: forged")
    program, server = Scripted(request(*lines)), Scripted(OK)
    await passed(program, server)
    assert server.received.count(b"X-Token: secret") == 1
    assert b"forged" not in server.received
    assert b"Connection" not in server.received


async def test_trailers_end_here() -> None:
    body = "3\r\nabc\r\n0\r\nX-Token: forged\r\n\r\n"
    sent = request("Host: a.test", "Transfer-Encoding: chunked", body=body, method="POST")
    program, server = Scripted(sent), Scripted(OK)
    await passed(program, server)
    assert server.received.endswith(b"3\r\nabc\r\n0\r\n\r\n")
    assert program.received == OK


async def test_bytes_after_an_upgrade_that_was_refused_are_a_request() -> None:
    upgrade = request("Host: a.test", "Connection: Upgrade", "Upgrade: websocket")
    program, server = Scripted(upgrade + request("Host: other.test")), Scripted(OK)
    await passed(program, server)
    assert server.received.count(b"HTTP/1.1") == 1
    assert b"HTTP/1.1 421 " in program.received


async def test_after_an_upgrade_bytes_pass_as_they_are() -> None:
    upgrade = request("Host: a.test", "Connection: Upgrade", "Upgrade: websocket")
    agreed = b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello"
    program, server = Scripted(upgrade, b"from program"), Scripted(agreed, b" server")
    await passed(program, server)
    assert server.received.endswith(b"\r\n\r\nfrom program")
    assert program.received.endswith(b"\r\n\r\nhello server")


async def test_interim_replies_pass() -> None:
    program = Scripted(request("Host: a.test"))
    await passed(program, Scripted(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK))
    assert program.received == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK


@pytest.mark.parametrize(
    "reply", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", b"HTTP/1.1 200 OK\r\nA: b"]
)
async def test_a_reply_that_breaks_off_is_no_reply(reply: bytes) -> None:
    program = Scripted(request("Host: a.test"))
    with pytest.raises(ConnectionResetError):
        await passed(program, Scripted(reply))
    assert b"502" not in program.received or not reply


async def test_a_reply_that_is_none_is_told() -> None:
    program = Scripted(request("Host: a.test"))
    await passed(program, Scripted(b"SSH-2.0-OpenSSH\r\n\r\n"))
    assert program.received.startswith(b"HTTP/1.1 502 ")


async def test_without_a_server_it_is_told_why() -> None:
    program = Scripted(request("Host: a.test"))
    await passed(program, None)
    assert program.received.endswith(b"no server\n")


async def test_a_missing_secret_is_told_and_nothing_sent() -> None:
    def fill() -> Headers:
        raise FillingError("a header refers to a secret that does not exist")

    program, server = Scripted(request("Host: a.test")), Scripted(OK)
    await passed(program, server, fill)
    assert program.received.startswith(b"HTTP/1.1 502 ")
    assert b"secret that does not exist" in program.received
    assert server.received == b""


async def test_head_has_no_body() -> None:
    program = Scripted(request("Host: other.test", method="HEAD"))
    await passed(program, Scripted())
    assert program.received.startswith(b"HTTP/1.1 421 ")
    assert program.received.endswith(b"\r\n\r\n")
