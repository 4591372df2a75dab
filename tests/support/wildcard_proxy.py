"""A CONNECT proxy that leads every name to loopback, as a wildcard DNS record would."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        port = int(self.rfile.readline().split()[1].rpartition(b":")[2])
        while self.rfile.readline() != b"\r\n":
            pass
        with socket.create_connection(("127.0.0.1", port)) as behind:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=pump, args=(behind, self.request), daemon=True)
            back.start()
            pump(self.request, behind)
            back.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


def pump(source: socket.socket, target: socket.socket) -> None:
    """Pass one direction's bytes to its end."""
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def wildcard_proxy() -> Iterator[str]:
    """Run the proxy in threads of its own; give its URL."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
