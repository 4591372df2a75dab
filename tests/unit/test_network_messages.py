"""What sandboxes send: questions to name servers, and first bytes that tell a name."""

import contextlib
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara6_sandbox.network import dns
from capibara6_sandbox.network.first_bytes import BYTES_MAX, told_name

LABEL = st.from_regex(r"[a-z0-9_-]{1,20}", fullmatch=True)
NAMES = st.lists(LABEL, min_size=1, max_size=6).map(".".join)


def client_hello(name: str) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


@given(NAMES)
def test_a_question_is_read_as_it_was_written(name: str) -> None:
    question = dns.read_question(dns.query(7, name))
    assert (question.id, question.name, question.type) == (7, name, dns.TYPE_A)


@given(NAMES, st.ip_addresses(v=4).map(str))
def test_an_answer_is_read_as_it_was_written(name: str, address: str) -> None:
    query = dns.query(7, name)
    question = dns.read_question(query)
    assert dns.read_addresses(dns.reply(query, question, address=address)) == [address]
    assert dns.read_addresses(dns.reply(query, question, dns.REFUSED)) == []


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for read in (dns.read_question, dns.read_addresses):
        with contextlib.suppress(dns.MalformedError):
            read(data)


def test_a_name_that_points_at_itself_is_malformed() -> None:
    with pytest.raises(dns.MalformedError):
        dns.read_question(dns.query(1, "a")[:12] + b"\xc0\x0c\0\1\0\1")


@pytest.mark.parametrize("name", ["", "a..b", "a" * 64, "é.test", "a." * 130])
def test_what_is_no_name_is_not_asked(name: str) -> None:
    with pytest.raises(dns.MalformedError):
        dns.query(1, name)


def test_tls_tells_its_server_name() -> None:
    hello = client_hello("api.example.com")
    assert told_name(443, hello) == "api.example.com"
    assert all(told_name(443, hello[:count]) is None for count in range(len(hello)))


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"GET / HTTP/1.1\r\nHost: Example.com\r\n\r\n", "Example.com"),
        (b"GET / HTTP/1.1\r\nhost:example.com:8080\r\n\r\nbody", "example.com"),
        (b"GET / HTTP/1.0\r\n\r\n", ""),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", ""),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", None),
    ],
)
def test_http_tells_its_host(head: bytes, name: str | None) -> None:
    assert told_name(80, head) == name


@given(st.sampled_from([80, 443]), st.binary(max_size=300))
def test_no_bytes_break_the_finder(port: int, data: bytes) -> None:
    told_name(port, data)
    told_name(port, b"\x16\x03\x01" + len(data).to_bytes(2) + data)


def test_a_name_that_never_comes_is_given_up() -> None:
    assert told_name(80, b"x" * BYTES_MAX) == ""
