"""Whatever parses bytes of a guest or a client, as functions of bytes: for hypothesis and atheris.

Each target returns, or raises what its parser is documented to raise for bad input, which is caught
here; anything else is a finding. Seeds are inputs that lead deep into the parser.
"""

import asyncio
import contextlib
import io
import json
import tarfile
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h11
import httptools
from pydantic import ValidationError
from starlette.datastructures import Headers, QueryParams

from capibara6_guest import wire
from capibara6_guest.unpacking import _each
from capibara6_sandbox.errors import SandboxServerError
from capibara6_sandbox.gateway.control_bodies import ForkBody, NetworkUpdate, NewSandbox
from capibara6_sandbox.gateway.descriptions import describe_policy
from capibara6_sandbox.gateway.envd import process_service, watch_methods
from capibara6_sandbox.gateway.envd.access import signature_matches
from capibara6_sandbox.gateway.envd.connect_rpc import _timeout_s, basic_user
from capibara6_sandbox.gateway.envd.downloads import Download, _found, parse_range
from capibara6_sandbox.gateway.envd.entry_info import entry_info
from capibara6_sandbox.gateway.envd.envelopes import envelope, envelopes
from capibara6_sandbox.gateway.envd.messages import parse
from capibara6_sandbox.gateway.envd.metadata import metadata_from
from capibara6_sandbox.gateway.envd.request_bodies import form_parts, gunzipped
from capibara6_sandbox.gateway.execution_stream import ExecutionStream
from capibara6_sandbox.gateway.hosts import Hosts
from capibara6_sandbox.gateway.listing import Page
from capibara6_sandbox.gateway.logs import LogQuery
from capibara6_sandbox.gateway.network_calls import https_ports_of, mask_of, policy_of
from capibara6_sandbox.gateway.previews.replies import Reply, ReplyError
from capibara6_sandbox.host.builds.names import clean_tags, parse_name
from capibara6_sandbox.host.builds.recipe import Recipe
from capibara6_sandbox.host.builds.registries import ImageName, ImageRefusedError
from capibara6_sandbox.host.guest_client import GuestLostError
from capibara6_sandbox.host.guest_client import _parse as parse_guest_message
from capibara6_sandbox.host.journal import Journal
from capibara6_sandbox.host.snapshots import Reference
from capibara6_sandbox.host.volume_files import Attributes, VolumeFiles
from capibara6_sandbox.network import dns, first_bytes, http_headers

Function = Callable[[bytes], None]


@dataclass(frozen=True)
class Target:
    """One parser."""

    run: Function
    seeds: tuple[bytes, ...]


TARGETS: dict[str, Target] = {}


def target(*seeds: bytes) -> Callable[[Function], Function]:
    def register(function: Function) -> Function:
        TARGETS[function.__name__] = Target(function, (*seeds, b""))
        return function

    return register


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    """Give bytes in pieces whose size the first byte says."""
    size = 1 + (data[0] if data else 0)
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def _all(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


def _text(data: bytes) -> str:
    return data.decode("latin-1")


# Frames and messages of guests.


@target(wire.encode_message({"op": "x"}), wire.encode(wire.DATA, b"abc"), wire.encode(wire.END))
def frames(data: bytes) -> None:
    async def read() -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        while await wire.read_frame(reader) is not None:
            pass

    with contextlib.suppress(wire.FrameError):
        asyncio.run(read())


@target(b'{"done": {}}', b'{"error": {"code": "x", "message": "y"}}', b'{"error": 1}', b"[1e999]")
def guest_messages(data: bytes) -> None:
    with contextlib.suppress(GuestLostError, wire.CallError):
        parse_guest_message(data)


def _guest_json(data: bytes) -> Any:
    """Return what a guest can say, NaN and Infinity among it; None for what is no JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


@target(
    b'{"name":"a","type":"file","path":"/a","size":1,"mode":420,"permissions":"rw","owner":"u",'
    b'"group":"g","modified_ns":1,"metadata":{},"is_symlink":true,"symlink_target":"b"}',
    b'{"name":"a","type":"file","path":"/a","size":1e999,"mode":420,"permissions":"rw",'
    b'"owner":"u","group":"g","modified_ns":1e300,"metadata":{}}',
)
def guest_entries(data: bytes) -> None:
    with contextlib.suppress(GuestLostError):
        envelope(entry_info(_guest_json(data)))


@target(b'{"pid": 3}', b'{"stdout": "YQ=="}', b'{"pid": NaN}', b'{"type": []}')
def guest_process_events(data: bytes) -> None:
    with contextlib.suppress(GuestLostError):
        envelope(process_service._event(_guest_json(data)))


@target(b'{"exit_code": 1, "exited": true, "status": "x"}', b'{"exit_code": 1e999}')
def guest_process_ends(data: bytes) -> None:
    told = _guest_json(data)
    with contextlib.suppress(GuestLostError):
        envelope(process_service._end(told if isinstance(told, dict) else {}))


@target(b'{"cmd":"a","args":[],"envs":{},"pid":1,"tag":"x","cwd":"/"}', b"[]", b'"cmd"')
def guest_processes(data: bytes) -> None:
    with contextlib.suppress(GuestLostError):
        process_service._process_info(_guest_json(data))


@target(b'{"type": "create", "name": "a"}', b'{"type": ["create"]}', b'{"type":"create","entry":1}')
def guest_watch_events(data: bytes) -> None:
    with contextlib.suppress(GuestLostError):
        envelope(watch_methods._event(_guest_json(data)))


@target(
    b'{"size": 1, "start": 0, "modified_ns": 1, "length": 1}',
    b'{"size":1,"start":0,"length":1,"modified_ns":1' + b"0" * 99 + b"}",
)
def guest_downloads(data: bytes) -> None:
    with contextlib.suppress(GuestLostError):
        found = _found(_guest_json(data))
        Download(None, "", "a", (0, 1), gzip=False)._headers({"length": 1, **found})  # type: ignore[arg-type]


@target(b'{"type": "stdout", "text": "x"}', b'{"type": []}', b'{"type": "error", "name": []}')
def guest_execution_events(data: bytes) -> None:
    told = _guest_json(data)
    stream = ExecutionStream.__new__(ExecutionStream)  # without a sandbox
    stream._watch = SimpleNamespace(out_of_memory=False)  # type: ignore[assignment]
    line = stream._encode(told if isinstance(told, dict) else b"")
    assert line.count(b"\n") in (0, 1)
    assert line.isascii()


@target(
    b'{"number": 1, "event": "process_start", "pid": 1, "at_s": 1.5, "command": "true"}',
    b'{"number": 2, "event": ["process_end"], "pid": 1}',
    b'{"number": 3, "event": "process_end", "pid": 1, "at_s": 1' + b"0" * 400 + b"}",
    b'{"number": 4, "event": "process_end", "pid": 1, "at_s": NaN}',
)
def guest_notes(data: bytes) -> None:
    Journal()._take("x", _Machine(), _guest_json(data))  # type: ignore[arg-type]


class _Machine:
    """Something that a weak reference can be made to."""


@target(
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 101 x\r\nUpgrade: y\r\nConnection: Upgrade\r\n\r\nrest",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nA: b\r\n\r\n",
)
def service_replies(data: bytes) -> None:
    reply = Reply("GET")
    with contextlib.suppress(ReplyError):
        for piece in asyncio.run(_all(_chunks(data))):
            if reply.complete or reply.rest is not None:
                break
            reply.feed(piece)
        if not reply.complete and reply.rest is None:
            reply.end(whole=True)
        if reply.status and reply.rest is None:
            reply.start()


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


# What clients send.


class _Callbacks:
    """What the parser of requests calls."""

    def on_url(self, url: bytes) -> None:
        httptools.parse_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        Headers(raw=[(name.lower(), value)]).get("host")


@target(b"GET /a?b=c HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET //x:99999/ HTTP/1.1\r\n\r\n")
def request_heads(data: bytes) -> None:
    with contextlib.suppress(httptools.HttpParserError, httptools.HttpParserUpgrade):
        httptools.HttpRequestParser(_Callbacks()).feed_data(data)


@target(envelope({"a": 1}) + envelope({}, 2), envelope({"a": [1] * 99}), b"\1\0\0\0\1x")
def connect_envelopes(data: bytes) -> None:
    with contextlib.suppress(wire.CallError):
        asyncio.run(_all(envelopes(_chunks(data))))


@target(
    b'{"process": {"pid": 1}, "tag": "x", "stdin": "aGk=", "envs": {"A": "b"}, "args": ["a"]}',
    b'{"pty": {"size": {"rows": "24", "cols": 80}}, "recursive": true, "signal": "SIGKILL"}',
    b'{"pid": "\xd9\xa1"}',
)
def connect_messages(data: bytes) -> None:
    with contextlib.suppress(wire.CallError):
        message = parse(data)
        for name in ("process", "pty", "path", "tag", "stdin", "envs", "args", "recursive", "pid"):
            for read in (
                message.text,
                message.flag,
                message.number,
                message.message,
                message.texts,
                message.mapping,
                message.base64,
            ):
                with contextlib.suppress(wire.CallError):
                    read(name)
        process_service._selected(message)
        process_service._terminal_size(message)


_FORM = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n'
    b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\n\r\n--x--\r\n'
)


@target(_FORM, _FORM.replace(b"a.txt", b"\xff\x00"), _FORM[:-4], b"--x--\r\n")
def multipart_forms(data: bytes) -> None:
    with contextlib.suppress(wire.CallError):
        asyncio.run(_all(form_parts("multipart/form-data; boundary=x", _chunks(data))))


@target(b"multipart/form-data; boundary=x", b'multipart/form-data; boundary="\xff"', b";boundary=")
def content_types(data: bytes) -> None:
    with contextlib.suppress(wire.CallError):
        asyncio.run(_all(form_parts(_text(data), _chunks(_FORM))))


@target(b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcbH\xcd\xc9\xc9\x07\0\x86\xa6\x106\5\0\0\0")
def gzip_bodies(data: bytes) -> None:
    with contextlib.suppress(wire.CallError):
        asyncio.run(_all(gunzipped(_chunks(data))))


@target(b"bytes=0-1", b"bytes=-5", b"bytes=5-", b"bytes=1-0", b"bytes=\xb2-3")
def ranges(data: bytes) -> None:
    parse_range(_text(data))


@target(b"Basic dXNlcjo=", b"basic dXNlcg==", b"Basic \xff")
def authorizations(data: bytes) -> None:
    basic_user(_text(data))


@target(b"1000", b"0", b"\xb2", b"99999999999")
def connect_timeouts(data: bytes) -> None:
    with contextlib.suppress(wire.CallError):
        _timeout_s(_text(data))


@target(b"a: b", b"key: " + b"v" * 5000)
def metadata_headers(data: bytes) -> None:
    name, _, value = data.partition(b":")
    with contextlib.suppress(wire.CallError):
        metadata_from(Headers(raw=[(b"x-metadata-" + name.lower(), value)]))


@target(b"path=a&username=u&signature=v1_x&signature_expiration=1", b"signature_expiration=-1&=")
def signed_urls(data: bytes) -> None:
    query = QueryParams(data)
    assert not signature_matches(query, "read", "a token that nobody knows")


@target(b"localhost:80", b"3000-abc.e2b.localhost", b"[::1]:5", b"\xb2-a.localhost", b"[::1")
def host_headers(data: bytes) -> None:
    hosts = Hosts("e2b.localhost")
    if hosts.knows(_text(data)):
        assert b"@" not in data
    hosts.target(_text(data))


@target(
    b"metadata=a%3Db&state=running&limit=5&nextToken=MjAyNi0wMS0wMQ==&order=asc",
    b"startedAfter=2026-01-01T00:00:00Z&level=info&cursor=5&direction=forward&search=x&start=1",
    b"startedAfter=0001-01-01T00:00:00-23:59&nextToken=%FF",
)
def queries(data: bytes) -> None:
    for read in (Page.from_query, LogQuery.first_generation, LogQuery.second_generation):
        with contextlib.suppress(SandboxServerError):
            read(QueryParams(data))


@target(
    b'{"templateID":"x","network":{"allowOut":["1.2.3.4/8","*.x"],"denyOut":["0.0.0.0/0"],'
    b'"rules":{"api.x":[{"transform":{"headers":{"a":"${e2b.secrets.k}"}}}]},"httpsPorts":[1],'
    b'"maskRequestHost":"${PORT}.x","egressProxy":{"address":"1.2.3.4:1080"},"dnsServers":["1.1.1.1"]}}',
    b'{"templateID":"x","envVars":{"A=":"b"},"metadata":{},"timeout":1e999}',
)
def sandbox_bodies(data: bytes) -> None:
    with contextlib.suppress(ValidationError, SandboxServerError):
        ForkBody.model_validate_json(data)
    with contextlib.suppress(ValidationError, SandboxServerError):
        describe_policy(policy_of(NetworkUpdate.model_validate_json(data), internet=None))
    with contextlib.suppress(ValidationError, SandboxServerError):
        body = NewSandbox.model_validate_json(data)
        mask_of(body.network)
        https_ports_of(body.network)
        describe_policy(policy_of(body.network, internet=body.allow_internet_access))


@target(
    b'{"fromTemplate":"base","steps":[{"type":"RUN","args":["ls","root"],"force":true}]}',
    b'{"fromImage":"x","steps":[{"type":"COPY","args":["a","b"],"filesHash":"0"}],"readyCmd":""}',
)
def recipes(data: bytes) -> None:
    with contextlib.suppress(ValidationError):
        Recipe.model_validate_json(data)


@target(b"a/b:c", b"registry.example:5000/a@sha256:" + b"0" * 64, b"A B", b"team/name:tag")
def names(data: bytes) -> None:
    with contextlib.suppress(ImageRefusedError):
        ImageName.parse(_text(data))
    for read in (parse_name, Reference.parse):
        with contextlib.suppress(SandboxServerError):
            read(_text(data))
    with contextlib.suppress(SandboxServerError):
        clean_tags([_text(data)])


def _tar() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for kind in (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE):
            member = tarfile.TarInfo("../é")
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
    return packed.getvalue()


@target(_tar(), _tar()[:700])
def tar_headers(data: bytes) -> None:
    """Entries are read as the agent reads them; they are unpacked in sandboxes only."""
    with (
        contextlib.suppress(tarfile.TarError, EOFError),
        tarfile.open(fileobj=io.BytesIO(data), mode="r|") as tar,
    ):
        for _ in _each(tar):
            pass


@target(b"a/b", b"../../etc/passwd", b"/link/passwd", b"/./a//..", b"\0", b"a" * 300, b"link")
def volume_paths(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        outside, tree = Path(folder, "outside"), Path(folder, "tree")
        outside.mkdir()
        tree.mkdir()
        (outside / "passwd").write_text("untouched")
        (tree / "link").symlink_to(outside)
        files, path = VolumeFiles(tree, privileged=False), data.decode("utf-8", "surrogateescape")
        nothing = Attributes(None, None, None)
        for act in (
            lambda: files.stat(path),
            lambda: files.entries(path, 2),
            lambda: files.make_dir(path, nothing, parents=True),
            lambda: files.remove(path),
        ):
            with contextlib.suppress(SandboxServerError):
                act()
        assert (outside / "passwd").read_text() == "untouched"
        assert sorted(p.name for p in outside.iterdir()) == ["passwd"]
