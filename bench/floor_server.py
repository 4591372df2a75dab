"""The floor: a server that answers at once in the shape the SDK needs and does nothing at all.

What the SDK takes against it is what no server can go below: the client's own work, HTTP, one
event loop. It runs on the same HTTP library as the real server, in a process of its own:

    python bench/floor_server.py        prints its address when it listens
"""

import asyncio
import base64
import json
import socket
import struct
from typing import Any

import uvicorn

KEY = "e2b_" + "0" * 40
_SANDBOX = {
    "sandboxID": "floor",
    "templateID": "code-interpreter-v1",
    "clientID": "floor",
    "envdVersion": "0.6.4",
    "envdAccessToken": "0" * 32,
}


def _lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def _frames(*messages: dict[str, Any]) -> bytes:
    """Encode a Connect stream: flag, length, JSON; the last frame ends it."""
    bodies = [json.dumps(message).encode() for message in (*messages, {})]
    flags = [0] * len(messages) + [2]
    return b"".join(
        struct.pack(">BI", flag, len(body)) + body for flag, body in zip(flags, bodies, strict=True)
    )


_ANSWERS: dict[tuple[str, str], tuple[int, str, bytes]] = {
    ("POST", "/v2/sandboxes"): (201, "application/json", json.dumps(_SANDBOX).encode()),
    ("DELETE", "/sandboxes/floor"): (204, "application/json", b""),
    ("POST", "/sandboxes/floor/pause"): (204, "application/json", b""),
    ("POST", "/v2/sandboxes/floor/connect"): (
        201,
        "application/json",
        json.dumps(_SANDBOX).encode(),
    ),
    ("POST", "/sandboxes/floor/snapshots"): (
        201,
        "application/json",
        json.dumps({"snapshotID": "floor:default", "names": []}).encode(),
    ),
    ("DELETE", "/templates/floor%3Adefault"): (204, "application/json", b""),
    ("DELETE", "/templates/floor:default"): (204, "application/json", b""),
    ("POST", "/execute"): (
        200,
        "application/x-ndjson",
        _lines(
            {"type": "number_of_executions", "execution_count": 1},
            {"type": "result", "text": "2", "is_main_result": True},
            {"type": "end_of_execution"},
        ),
    ),
    ("POST", "/process.Process/Start"): (
        200,
        "application/connect+json",
        _frames(
            {"event": {"start": {"pid": 1}}},
            {"event": {"data": {"stdout": base64.b64encode(b"").decode()}}},
            {"event": {"end": {"exited": True, "status": "exit status 0"}}},
        ),
    ),
}


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    status, kind, body = _ANSWERS[scope["method"], scope["path"]]
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve on a free port of this machine until killed."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(_answer, access_log=False, log_config=None, lifespan="off")
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    asyncio.run(uvicorn.Server(config).serve([listener]))


if __name__ == "__main__":
    main()
