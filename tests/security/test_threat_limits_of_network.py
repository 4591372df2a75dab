"""T-LIM-10: what a sandbox may have open outside, and send; seen by a server outside."""

import contextlib
import shlex
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from e2b import Sandbox

from capibara6_sandbox.network.reach import HOST_NAME
from support.sandbox_server import SandboxServer

CONNECTIONS = 5
RATE_BYTES_S = 200_000
HOARDER = f"""
import socket, sys
held = []
for _ in range(20):
    try:
        end = socket.create_connection(("{HOST_NAME}", int(sys.argv[1])), 10)
        end.settimeout(0.3)
        held += [end] if end.recv(1) else []
    except TimeoutError:
        held.append(end)
    except ConnectionError:
        pass
print(len(held))
"""
FLOOD = f"""
import socket, sys
end = socket.create_connection(("{HOST_NAME}", int(sys.argv[1])), 10)
while True:
    end.sendall(bytes(65536))
"""
DRINK = f"""
import socket, sys, time
end = socket.create_connection(("{HOST_NAME}", int(sys.argv[1])), 10)
until, count = time.monotonic() + 4, 0
while time.monotonic() < until:
    count += len(end.recv(65536))
print(count)
"""


class Spring:
    """A server that sends without end to whoever connects."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.port = listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._send, args=(client,), daemon=True).start()

    def _send(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while True:
                client.sendall(bytes(65536))


class Outside:
    """A server that takes all, and counts."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.port = listener.getsockname()[1]
        self.opened: list[socket.socket] = []
        self.received: list[int] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.opened.append(self._listener.accept()[0])
                threading.Thread(target=self._read, args=self.opened[-1:], daemon=True).start()

    def _read(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while more := client.recv(65536):
                self.received.append(len(more))


@pytest.fixture
def outside() -> Iterator[Outside]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        outside = Outside(listener)
        yield outside
    for client in outside.opened:
        client.close()


@pytest.fixture
def spring() -> Iterator[Spring]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield Spring(listener)


@pytest.fixture
def server(outside: Outside, spring: Spring) -> Iterator[SandboxServer]:
    options = ["--pool", "0"]
    for port in (outside.port, spring.port):
        options += ["--network-host-port", str(port)]
    options += ["--network-connections", str(CONNECTIONS)]
    options += ["--network-rate", str(RATE_BYTES_S / 1e6)]
    server = SandboxServer(tuple(options)).start()
    yield server
    assert server.stop() == 0


def logs_of(server: SandboxServer, sandbox_id: str) -> list[dict[str, str]]:
    url = f"{server.url}/v2/sandboxes/{sandbox_id}/logs"
    reply = httpx.get(url, headers={"X-API-KEY": server.key})
    found: list[dict[str, str]] = reply.json()["logs"]
    return found


@pytest.mark.threat("T-LIM-10")
def test_connections_and_bytes_are_bounded_and_the_log_says_so(
    server: SandboxServer, outside: Outside, spring: Spring
) -> None:
    with Sandbox.create(timeout=120, **server.sdk) as sandbox:
        hoarder = f"python -c {shlex.quote(HOARDER)} {outside.port}"
        assert sandbox.commands.run(hoarder).stdout == f"{CONNECTIONS}\n"
        assert len(outside.opened) == CONNECTIONS
        began = time.monotonic()
        flood = f"sleep 1; timeout 4 python -c {shlex.quote(FLOOD)} {outside.port}; true"
        sandbox.commands.run(flood)
        passed_s = time.monotonic() - began
        assert 0 < sum(outside.received) <= RATE_BYTES_S * (passed_s + 2)  # and what was on its way
        began = time.monotonic()
        drunk = sandbox.commands.run(f"python -c {shlex.quote(DRINK)} {spring.port}", timeout=60)
        passed_s = time.monotonic() - began
        assert 0 < int(drunk.stdout) <= RATE_BYTES_S * (passed_s + 2)
        log = sorted(entry["message"] for entry in logs_of(server, sandbox.sandbox_id))
    reset = f"Network connections reset: more than {CONNECTIONS} open at a time"
    held = "Network held to 0.2 MB/s, both ways together (the server's --network-rate)"
    assert [message for message in log if message.startswith("Network")] == [
        f"{reset} (the server's --network-connections)",
        held,
    ]
