"""Measures the network of sandboxes against this machine's loopback: bytes a second, and delay.

    python bench/network.py [--seconds 2]

Nothing is asserted. The same client runs outside, straight on the loopback, and inside a sandbox,
through the egress process; the last column is the ratio.
"""

import argparse
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

from e2b import Sandbox

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from capibara6_sandbox.network.reach import HOST_NAME
from support.sandbox_server import SandboxServer

CLIENT = """
import json, socket, statistics, sys, time
address, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
def connect(kind):
    client = socket.create_connection((address, port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(kind)
    return client
def median_us(step, count=300):
    taken = []
    for _ in range(count):
        begun = time.perf_counter()
        step()
        taken.append((time.perf_counter() - begun) * 1e6)
    return statistics.median(taken)
buffer = bytearray(1 << 20)
with connect(b"S") as source:
    total, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        total += source.recv_into(buffer)
    receiving = total / (time.perf_counter() - begun) / 1e6
with connect(b"D") as sink:
    total, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        total += sink.send(buffer)
    sending = total / (time.perf_counter() - begun) / 1e6
def exchange():
    echo.sendall(b"x")
    echo.recv(1)
with connect(b"E") as echo:
    exchange()
    delay = median_us(exchange)
def open_one():
    with connect(b"E") as fresh:
        fresh.sendall(b"x")
        fresh.recv(1)
print(json.dumps({"receive, MB/s": receiving, "send, MB/s": sending,
                  "round trip, us": delay, "connect and round trip, us": median_us(open_one)}))
"""


def serve(listener: socket.socket) -> None:
    block = bytes(1 << 20)

    def one(client: socket.socket) -> None:
        with client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            kind = client.recv(1)
            try:
                while kind == b"S":
                    client.sendall(block)
                while data := client.recv(1 << 20):
                    if kind == b"E":
                        client.sendall(data)
            except ConnectionError:
                return  # the client has measured long enough

    while True:
        client, _ = listener.accept()
        threading.Thread(target=one, args=(client,), daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2)
    seconds = str(parser.parse_args().seconds)
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    port = str(listener.getsockname()[1])
    command = [sys.executable, "-c", CLIENT, "127.0.0.1", port, seconds]
    outside = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    server = SandboxServer(("--network-host-port", port)).start()
    try:
        with Sandbox.create(timeout=120, **server.sdk) as sandbox:
            sandbox.files.write("/tmp/client.py", CLIENT)
            command = f"python3 /tmp/client.py {HOST_NAME} {port} {seconds}"
            inside = json.loads(sandbox.commands.run(command).stdout)
    finally:
        server.stop()
    print(f"{'':<28}{'loopback':>12}{'sandbox':>12}{'ratio':>8}")
    for what, measured in outside.items():
        ratio = inside[what] / measured
        print(f"{what:<28}{measured:>12,.0f}{inside[what]:>12,.0f}{ratio:>8.2f}")


if __name__ == "__main__":
    main()
