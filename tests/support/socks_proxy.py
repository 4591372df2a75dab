"""A SOCKS5 proxy that notes what it is asked for, and answers as the destination would."""

import socket
import ssl
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from support.wildcard_proxy import pump


class SocksProxy:
    """Greets with the name of what was asked for, then echoes."""

    def __init__(
        self,
        username: str = "",
        password: str = "",
        tls: ssl.SSLContext | None = None,
        behind: Mapping[int, int] | None = None,
    ) -> None:
        """Take those who know a password.

        Args:
            username: of theirs.
            password: of theirs.
            tls: what it is spoken to within.
            behind: ports of loopback that stand for all hosts', by port; without, it echoes.
        """
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        self._behind = behind
        self._login = (username.encode(), password.encode())
        self.port: int = self._listener.getsockname()[1]
        self.asked: list[str] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        if self._tls is not None:
            try:
                client = self._tls.wrap_socket(client, server_side=True)
            except OSError:  # who does not believe us leaves
                client.close()
                return
        with client, client.makefile("rb") as stream:
            stream.read(2)
            method = stream.read(1)
            client.sendall(b"\5" + method)
            if method == b"\2" and not self._accepts(stream, client):
                return
            target = self._read_target(stream)
            self.asked.append(target)
            client.sendall(bytes([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
            if self._behind is not None:
                self._pass_on(client, self._behind[int(target.rpartition(":")[2])])
                return
            client.sendall(f"[{target}] ".encode())
            while data := stream.read1(65536):
                client.sendall(data)
            if isinstance(client, ssl.SSLSocket):
                client.unwrap()

    def _pass_on(self, client: socket.socket, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:
            back = threading.Thread(target=pump, args=(server, client), daemon=True)
            back.start()
            pump(client, server)
            back.join()

    def _accepts(self, stream, client: socket.socket) -> bool:  # type: ignore[no-untyped-def]
        stream.read(1)
        given = tuple(stream.read(stream.read(1)[0]) for _ in range(2))
        client.sendall(b"\1" + (b"\0" if given == self._login else b"\1"))
        return given == self._login

    def _read_target(self, stream) -> str:  # type: ignore[no-untyped-def]
        kind = stream.read(4)[3]
        if kind == 1:
            host = socket.inet_ntoa(stream.read(4))
        else:
            host = stream.read(stream.read(1)[0]).decode()
        return f"{host}:{int.from_bytes(stream.read(2))}"
