"""Previews against the same service on the host's own loopback: latency and megabytes a second.

python bench/previews.py [--runs N] [--megabytes N]
"""

import argparse
import contextlib
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from e2b_code_interpreter import Sandbox

from servers import real_server

PORT = 8000
# Threads and plain sockets: no slower than what a service in C would be for one connection.
SERVICE = """
import socket, sys, threading
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
print(listener.getsockname()[1], flush=True)
block = b"x" * (1 << 20)
def serve(client):
    head = b""
    while b"\\r\\n\\r\\n" not in head:
        piece = client.recv(65536)
        if not piece:
            return client.close()
        head += piece
    size = int(head.split()[1].lstrip(b"/"))
    head = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n"
    client.sendall(head % size)
    while size > 0:
        client.sendall(block[:size])
        size -= len(block)
    client.close()
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""

Address = tuple[str, int]


def main() -> None:
    """Measure both ways in turn, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--megabytes", type=int, default=500)
    arguments = parser.parse_args()
    with real_server("pool 2", 2) as server, on_host() as direct:
        sandbox = Sandbox.create(timeout=600, **server.sdk)
        sandbox.files.write("/tmp/service.py", SERVICE)
        sandbox.commands.run(f"python /tmp/service.py {PORT}", background=True, timeout=0)
        host, _, port = server.url.removeprefix("http://").partition(":")
        ways = {"direct": (direct, "localhost"), "preview": ((host, int(port)), host_of(sandbox))}
        wait_for(*ways["preview"])
        latency = {
            name: [get(*way, 1)[0] for _ in range(arguments.runs)] for name, way in ways.items()
        }
        speed = {name: speeds(*way, arguments.megabytes) for name, way in ways.items()}
        sandbox.kill()
    for name in ways:
        median = statistics.median(latency[name]) * 1000
        p90 = statistics.quantiles(latency[name], n=10)[-1] * 1000
        best = statistics.median(speed[name])
        print(f"{name:8} {median:7.2f} ms median {p90:7.2f} ms p90 {best:8.0f} MB/s")
    added = statistics.median(latency["preview"]) - statistics.median(latency["direct"])
    ratio = statistics.median(speed["preview"]) / statistics.median(speed["direct"])
    print(f"a preview adds {added * 1000:.2f} ms and has {ratio:.2f} of the direct speed")


def host_of(sandbox: Sandbox) -> str:
    """Return the sandbox's name below localhost, which leads to its port."""
    return f"{PORT}-{sandbox.sandbox_id}.localhost"


def speeds(address: Address, host: str, megabytes: int) -> list[float]:
    """Return megabytes a second of three downloads."""
    return [megabytes / get(address, host, megabytes * 1_000_000)[0] for _ in range(3)]


def wait_for(address: Address, host: str) -> None:
    """Wait until the service listens."""
    for _ in range(200):
        if get(address, host, 1)[1].startswith(b"HTTP/1.1 200"):
            return
        time.sleep(0.05)
    raise SystemExit("the service in the sandbox did not start")


def get(address: Address, host: str, size: int) -> tuple[float, bytes]:
    """Download `size` bytes over a new connection; return the seconds and the status line."""
    start = time.perf_counter()
    buffer = bytearray(1 << 20)
    with socket.create_connection(address) as client:
        client.sendall(
            f"GET /{size} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        )
        count = client.recv_into(buffer)
        status = bytes(buffer[:count]).partition(b"\r\n")[0]
        while client.recv_into(buffer):
            pass
    return time.perf_counter() - start, status


@contextlib.contextmanager
def on_host() -> Iterator[Address]:
    """Run the service outside of any sandbox."""
    with TemporaryDirectory() as folder:
        program = Path(folder, "service.py")
        program.write_text(SERVICE)
        process = subprocess.Popen([sys.executable, program, "0"], stdout=subprocess.PIPE)
        assert process.stdout is not None
        try:
            yield "127.0.0.1", int(process.stdout.readline())
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


if __name__ == "__main__":
    main()
