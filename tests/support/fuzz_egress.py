"""Parsers of what programs inside send through the egress process."""

import contextlib

import h11

from capibara6_sandbox.network import dns, first_bytes, http_headers
from support.fuzz_registry import target

# What programs inside send through the egress process.


@target(dns.query(1, "example.com"), dns.query(2, "a.b") + b"\0", b"\0\1\1\0\0\1" + b"\0" * 6)
def dns_questions(data: bytes) -> None:
    with contextlib.suppress(dns.MalformedError):
        question = dns.read_question(data)
        dns.reply(data, question, address="10.0.0.1")


@target(
    dns.reply(
        dns.query(1, "a.example"), dns.read_question(dns.query(1, "a.example")), address="1.2.3.4"
    )
)
def dns_replies(data: bytes) -> None:
    with contextlib.suppress(dns.MalformedError):
        dns.read_addresses(data)


_HELLO_BODY = (
    b"\x03\x03" + b"r" * 32 + b"\0" + b"\0\2\x13\1" + b"\1\0"
    + b"\0\x10" + b"\0\0\0\x0c\0\x0a\0\0\7a.b.com"
)  # fmt: skip
_HELLO = b"\x16\x03\x01\0\x45" + b"\1\0\0" + bytes([len(_HELLO_BODY)]) + _HELLO_BODY


@target(_HELLO, b"\x16\x03\x01\0\0" * 50, b"\x16\x03\x01\0\4\1\0\0\0")
def client_hellos(data: bytes) -> None:
    first_bytes.told_name(443, data)


@target(b"GET / HTTP/1.1\r\nHost: a.b:80\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
def http_first_bytes(data: bytes) -> None:
    first_bytes.told_name(80, data)


@target(
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, x\r\nUpgrade: websocket\r\nX: y\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
)
def http_heads(data: bytes) -> None:
    connection = h11.Connection(h11.SERVER)
    with contextlib.suppress(h11.RemoteProtocolError):
        connection.receive_data(data)
        event = connection.next_event()
        if isinstance(event, h11.Request):
            http_headers.passing(event)
            http_headers.upgrade(event)
