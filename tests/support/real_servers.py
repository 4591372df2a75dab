"""HTTP and HTTPS servers for tests, which tell what they were asked, and names that lead there."""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from e2b import Sandbox

from capibara6_sandbox.host.authority import Authority
from capibara6_sandbox.network import dns
from support.sandbox_server import SandboxServer


class Handler(BaseHTTPRequestHandler):
    """Answers with what it was asked, as JSON; some paths do more."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("Upgrade") == "websocket":
            self._become_web_socket()
        elif self.path == "/events":
            self._tell_events()
        elif self.path == "/to-the-end":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"until the end")
            if isinstance(self.connection, ssl.SSLSocket):
                self.connection.unwrap()
            self.close_connection = True
        else:
            self._echo()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - names of the base class

    def _echo(self) -> None:
        told = {
            "method": self.command,
            "path": self.path,
            "headers": self.headers.items(),
            "bytes": len(self._body()),
        }
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Kept", "as it came")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _tell_events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(3):
            event = f"data: {number}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
        self.wfile.write(b"0\r\n\r\n")

    def _become_web_socket(self) -> None:
        """Say 101, then echo raw bytes."""
        given = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        accepted = base64.b64encode(hashlib.sha1(given.encode()).digest()).decode()
        self.send_header("Sec-WebSocket-Accept", accepted)
        self.send_header("X-Seen-Token", self.headers.get("X-Token", ""))
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(OSError):
            while data := self.connection.recv(65536):
                self.connection.sendall(data)

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, *_: object) -> None:
        pass  # clients that leave in the middle are what some tests are about


@contextlib.contextmanager
def http_server(
    address: str, port: int, context: ssl.SSLContext | None = None
) -> Iterator[ThreadingHTTPServer]:
    """Serve inside the block, within TLS if there is a context."""
    with _Server((address, port), Handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class Trusted:
    """An authority that a tested server's host trusts, and what it vouches for.

    Args:
        folder: for its file.
    """

    def __init__(self, folder: Path) -> None:
        self._authority = asyncio.run(Authority.create("of a test"))
        folder.mkdir(exist_ok=True)
        self.file = folder / "trusted.pem"
        self.file.write_text(self._authority.certificate)
        self._folder = folder

    def context(self, host: str) -> ssl.SSLContext:
        """Return what a server of `host` serves with."""
        signed = asyncio.run(self._authority.vouch(host))
        place = self._folder / "served.pem"
        place.write_text(signed.certificate + signed.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(place)
        return context


@contextlib.contextmanager
def name_server(addresses: dict[str, str], default: str) -> Iterator[tuple[str, list[str]]]:
    """Answer names by a table that may change; give ADDRESS:PORT and the names that were asked."""
    asked: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def answer() -> None:
            while True:
                try:
                    packet, client = server.recvfrom(4096)
                except OSError:
                    return
                question = dns.read_question(packet)
                asked.append(question.name)
                where = addresses.get(question.name, default)
                server.sendto(dns.reply(packet, question, address=where), client)

        threading.Thread(target=answer, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}", asked


# Loopback has room for the tests of others at the same time, who need these ports too.
ADDRESS = f"127.77.{1 + os.getpid() % 250}.3"  # of the servers below
OTHER_ADDRESS = ADDRESS[:-1] + "2"  # of one whose certificate nobody trusts
HOST = "api.test"
# Inside, 127/8 is the sandbox's own; where a program believes a host to be does not matter.
HOSTS = "198.51.100.7 api.test other.test unknown.test sub.wild.test a.b.wild.test\n"
# Nothing leaves this machine.
LOCAL = {"deny_out": ["0.0.0.0/0"], "allow_out": ["*.test"]}


@contextlib.contextmanager
def internet(folder: Path) -> Iterator[SandboxServer]:
    """Give a server whose sandboxes find all names on loopback, with HTTP and HTTPS behind them."""
    trusted, unknown = (Trusted(folder / name) for name in ("trusted", "unknown"))
    with (
        name_server({"unknown.test": OTHER_ADDRESS}, ADDRESS) as (names, _),
        http_server(ADDRESS, 80),
        http_server(ADDRESS, 443, trusted.context(HOST)),
        http_server(OTHER_ADDRESS, 443, unknown.context("unknown.test")),
    ):
        options = ("--network-allow", f"{ADDRESS}/30", "--network-dns", names, "--pool", "1")
        server = SandboxServer(options, {"SSL_CERT_FILE": str(trusted.file)}).start()
        try:
            yield server
        finally:
            assert server.stop() == 0


@contextlib.contextmanager
def made(server: SandboxServer, network: dict[str, Any], **options: Any) -> Iterator[Sandbox]:
    """Give a sandbox that knows the hosts."""
    options = {"timeout": 120, **server.sdk, **options}
    sandbox = Sandbox.create(network={**LOCAL, **network}, **options)
    try:
        known = sandbox.files.read("/etc/hosts", user="root")
        sandbox.files.write("/etc/hosts", known + HOSTS, user="root")
        yield sandbox
    finally:
        sandbox.kill()


def rules(headers: dict[str, str] | None = None, host: str = HOST) -> dict[str, Any]:
    """Return a network configuration that sets headers."""
    return {"rules": {host: [{"transform": {"headers": headers or {"X-Token": "t0ken"}}}]}}


def curl(sandbox: Sandbox, arguments: str) -> str:
    """Return what curl prints inside."""
    return sandbox.commands.run(f"curl -sS --max-time 10 {arguments}").stdout


def seen(sandbox: Sandbox, arguments: str) -> dict[str, Any]:
    """Return what a real server was asked."""
    told: dict[str, Any] = json.loads(curl(sandbox, arguments))
    return told


def header(told: dict[str, Any], name: str) -> list[str]:
    """Return all values of a header that a real server was sent."""
    return [value for key, value in told["headers"] if key.lower() == name.lower()]
