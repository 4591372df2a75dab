"""Services that tests start inside a sandbox, and requests to them through the gateway."""

from typing import Any

import httpx
from e2b_code_interpreter import Sandbox

from support.sandbox_server import SandboxServer, wait_until

PORT = 8000

# HTTP by the standard library: what came, a big body, events, no length, a half reply.
SERVICE = """
import base64, hashlib, http.server, json, socket, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, body, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def chunks(self):
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            return b"".join(self.chunks())
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def echo(self):
        body = self.body()
        seen = {"method": self.command, "path": self.path, "headers": self.headers.items(),
                "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        self.reply(json.dumps(seen).encode(), X_Twice="a", x_twice="b")

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = echo

    def do_HEAD(self):
        self.reply(b"x" * 1000)

    def do_GET(self):
        name, _, count = self.path.lstrip("/").partition("/")
        getattr(self, "get_" + name, self.echo)(*([int(count)] if count.isdecimal() else []))

    def get_big(self, size):
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        block = bytes(range(256)) * 4096
        while size > 0:
            self.wfile.write(block[:size])
            size -= len(block)

    def get_events(self, count):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for number in range(count):
            self.wfile.write(f"data: {number}\\n\\n".encode())
            self.wfile.flush()
            time.sleep(0.05)

    def get_same(self):
        self.send_response(304)
        self.send_header("Content-Length", "1000")
        self.send_header("ETag", "x")
        self.end_headers()

    def get_half(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * 10)
        self.close_connection = True

    def get_garbage(self):
        self.wfile.write(b"this is no HTTP\\r\\n\\r\\n")
        self.close_connection = True

    def get_socket(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accepted = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accepted)
        self.end_headers()
        while head := self.rfile.read(2):
            length = head[1] & 127
            if length == 126:
                length = int.from_bytes(self.rfile.read(2), "big")
            mask = self.rfile.read(4)
            data = bytes(b ^ mask[i % 4] for i, b in enumerate(self.rfile.read(length)))
            size = bytes([length]) if length < 126 else b"\\x7e" + length.to_bytes(2, "big")
            self.wfile.write(head[:1] + size + data)
            if head[0] & 15 == 8:
                break
        self.close_connection = True

class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
    request_queue_size = 128

Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""


def start_service(
    server: SandboxServer, sandbox: Sandbox, address: str = "127.0.0.1", port: int = PORT
) -> None:
    """Start the service in a sandbox and wait until it answers."""
    sandbox.files.write("/tmp/service.py", SERVICE)
    sandbox.commands.run(f"python /tmp/service.py {address} {port}", background=True, timeout=0)
    wait_until(lambda: get(server, sandbox, port=port).status_code == 200, 20.0)


def route(sandbox: Sandbox, port: int = PORT, **more: str) -> dict[str, str]:
    """Return the headers that lead to a port of a sandbox."""
    named = {"E2b-Sandbox-Id": sandbox.sandbox_id, "E2b-Sandbox-Port": str(port)}
    return named | {name.replace("_", "-"): value for name, value in more.items()}


def get(
    server: SandboxServer, sandbox: Sandbox, path: str = "/", port: int = PORT, **more: str
) -> httpx.Response:
    """Ask a service in a sandbox."""
    return httpx.get(f"{server.url}{path}", headers=route(sandbox, port, **more), timeout=30)


def seen(reply: httpx.Response) -> dict[str, Any]:
    """Return what the service saw of a request, header names in lower case."""
    told: dict[str, Any] = reply.json()
    return told | {"headers": {name.lower(): value for name, value in told["headers"]}}
