"""Parsers of what guests send."""

import asyncio
import contextlib
import json
from types import SimpleNamespace
from typing import Any

from capibara6_guest import wire
from capibara6_sandbox.gateway.envd import process_service, watch_methods
from capibara6_sandbox.gateway.envd.downloads import Download, _found
from capibara6_sandbox.gateway.envd.entry_info import entry_info
from capibara6_sandbox.gateway.envd.envelopes import envelope
from capibara6_sandbox.gateway.execution_stream import ExecutionStream
from capibara6_sandbox.gateway.previews.replies import Reply, ReplyError
from capibara6_sandbox.host.guest_client import GuestLostError
from capibara6_sandbox.host.guest_client import _parse as parse_guest_message
from capibara6_sandbox.host.journal import Journal
from support.fuzz_registry import _all, _chunks, target

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
