"""Raw requests to one sandbox's ports, for what the SDK would never send."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from e2b_code_interpreter import Sandbox

from support.sandbox_server import SandboxServer

CODE_INTERPRETER_PORT = 49999
ENVD_PORT = 49983


def headers(sandbox: Sandbox, port: int = CODE_INTERPRETER_PORT) -> dict[str, str]:
    """Return the headers that name one port of a sandbox and open it."""
    return {
        "E2b-Sandbox-Id": sandbox.sandbox_id,
        "E2b-Sandbox-Port": str(port),
        "X-Access-Token": sandbox._envd_access_token or "",
    }


def execute(server: SandboxServer, sandbox: Sandbox, code: str) -> list[dict[str, Any]]:
    """Run code and return the events of the reply, keepalives apart."""
    with streaming(server, sandbox, code) as reply:
        assert reply.status_code == 200, reply.read()
        events = [json.loads(line) for line in reply.iter_lines()]
    return [event for event in events if event["type"] != "keepalive"]


@contextmanager
def streaming(server: SandboxServer, sandbox: Sandbox, code: str) -> Iterator[httpx.Response]:
    """Run code and give the reply while it streams; leaving the block disconnects."""
    with httpx.stream(
        "POST",
        f"{server.url}/execute",
        headers=headers(sandbox),
        json={"code": code},
        timeout=60,
    ) as reply:
        yield reply
