"""Parsers of what clients send."""

import asyncio
import contextlib
import io
import tarfile
import tempfile
from pathlib import Path

import httptools
from pydantic import ValidationError
from starlette.datastructures import Headers, QueryParams

from capibara6_guest import wire
from capibara6_guest.unpacking import _each
from capibara6_sandbox.errors import SandboxServerError
from capibara6_sandbox.gateway.control_bodies import ForkBody, NetworkUpdate, NewSandbox
from capibara6_sandbox.gateway.descriptions import describe_policy
from capibara6_sandbox.gateway.envd import process_service
from capibara6_sandbox.gateway.envd.access import signature_matches
from capibara6_sandbox.gateway.envd.connect_rpc import _timeout_s, basic_user
from capibara6_sandbox.gateway.envd.downloads import parse_range
from capibara6_sandbox.gateway.envd.envelopes import envelope, envelopes
from capibara6_sandbox.gateway.envd.messages import parse
from capibara6_sandbox.gateway.envd.metadata import metadata_from
from capibara6_sandbox.gateway.envd.request_bodies import form_parts, gunzipped
from capibara6_sandbox.gateway.hosts import Hosts
from capibara6_sandbox.gateway.listing import Page
from capibara6_sandbox.gateway.logs import LogQuery
from capibara6_sandbox.gateway.network_calls import https_ports_of, mask_of, policy_of
from capibara6_sandbox.host.builds.names import clean_tags, parse_name
from capibara6_sandbox.host.builds.recipe import Recipe
from capibara6_sandbox.host.builds.registries import ImageName, ImageRefusedError
from capibara6_sandbox.host.snapshots import Reference
from capibara6_sandbox.host.volume_files import Attributes, VolumeFiles
from support.fuzz_registry import _all, _chunks, _text, target

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
