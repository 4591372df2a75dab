"""Parsing what services reply, and knowing the server's own names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara6_sandbox.gateway.hosts import Hosts
from capibara6_sandbox.gateway.previews.replies import HEAD_BYTES_MAX, Reply, ReplyError

CHUNKED = (
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: x-own, close\r\nX-Own: 1\r\n"
    b"Set-Cookie: a\r\nSet-Cookie: b\r\nDate: then\r\n\r\n"
    b"3\r\nabc\r\n4\r\ndefg\r\n0\r\nTrailer: 1\r\n\r\n"
)


@given(st.lists(st.integers(1, len(CHUNKED)), max_size=8))
def test_a_reply_is_the_same_however_it_is_cut(cuts: list[int]) -> None:
    reply, body, at = Reply("GET"), b"", 0
    for end in [*sorted(cuts), len(CHUNKED)]:
        if end > at:
            body += b"".join(reply.feed(CHUNKED[at:end]))
            at = end
    assert (reply.complete, body) == (True, b"abcdefg")
    assert reply.start()["headers"] == [(b"Set-Cookie", b"a"), (b"Set-Cookie", b"b")]


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_connection_that_ends_before_the_head_is_no_reply(head: bytes) -> None:
    reply = Reply("GET")
    reply.feed(head)
    with pytest.raises(ReplyError, match="before it"):
        reply.end(whole=True)


def test_the_end_of_the_connection_may_be_the_end_of_the_body() -> None:
    reply = Reply("GET")
    assert reply.feed(b"HTTP/1.0 200 OK\r\n\r\nabc") == [b"abc"]
    with pytest.raises(ReplyError, match="within it"):
        reply.end(whole=False)
    reply.end(whole=True)
    assert reply.complete


def test_a_body_shorter_than_said_is_not_whole() -> None:
    reply = Reply("GET")
    reply.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc")
    with pytest.raises(ReplyError, match="within it"):
        reply.end(whole=True)


def test_a_head_without_end_is_refused() -> None:
    reply = Reply("GET")
    reply.feed(b"HTTP/1.1 200 OK\r\nX: ")
    with pytest.raises(ReplyError, match="head is larger"):
        reply.feed(b"y" * HEAD_BYTES_MAX)


@pytest.mark.parametrize("status", [b"999", b"600", b"42", b"abc"])
def test_an_impossible_status_is_refused(status: bytes) -> None:
    with pytest.raises(ReplyError):
        Reply("GET").feed(b"HTTP/1.1 " + status + b" No\r\n\r\n")


def test_what_follows_a_switch_is_kept_as_it_came() -> None:
    reply = Reply("GET")
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"
    reply.feed(head + b"\x00raw")
    assert reply.switch() == head + b"\x00raw"


@pytest.mark.parametrize(
    "host", ["127.0.0.1:80", "[::1]:80", "localhost", "LOCALHOST:1", "3-a.localhost", "api.own:1"]
)
def test_own_names_are_known(host: str) -> None:
    assert Hosts("own:49983", ["other"]).knows(host)


@pytest.mark.parametrize("host", ["", "evil", "own.evil", "evilown", "localhost.", "[evil]", ":1"])
def test_other_names_are_not(host: str) -> None:
    assert not Hosts("own:49983", ["other"]).knows(host)


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("3000-abc.own:49983", (3000, "abc")),
        ("3000-abc.OWN", (3000, "abc")),
        ("3000-abc.x.own", None),
        ("3000-abc.evil", None),
        ("api.own", None),
        ("abc.own", None),
    ],
)
def test_a_name_leads_to_a_port(host: str, target: tuple[int, str] | None) -> None:
    assert Hosts("own:49983").target(host) == target
