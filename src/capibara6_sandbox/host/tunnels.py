"""Connections from the server to services that listen inside a sandbox.

The nursery opens each socket in the sandbox's network; the server itself connects it to the
sandbox's loopback, or to its own address. No program of the sandbox takes part, so there is nothing
inside to trust, to slow down or to leave behind, and bytes pass through no process but this server.
"""

import asyncio
import functools
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Final, Self

from capibara6_sandbox.host.guest_client import GuestLostError
from capibara6_sandbox.isolation.uplink import OWN_ADDRESS
from capibara6_sandbox.network.streams import PlainStream, Stream, TlsStream

TUNNELS_MAX: Final = 512  # of one sandbox at a time
CONNECT_TIMEOUT_S: Final = 30.0
READ_BYTES: Final = 256 * 1024

# Where a service may listen: most on all addresses or on IPv4's loopback, some on IPv6's or on the
# sandbox's own address alone.
_ADDRESSES: Final = (
    (socket.AF_INET, "127.0.0.1"),
    (socket.AF_INET6, "::1"),
    (socket.AF_INET, OWN_ADDRESS),
)

OpenSocket = Callable[[socket.AddressFamily], Awaitable[socket.socket]]


class PortClosedError(Exception):
    """No service accepts connections on the port."""


class TooManyTunnelsError(Exception):
    """The sandbox has as many connections as it may have."""


class Tunnel:
    """One connection; a context manager, whose exit closes it."""

    def __init__(self, connected: socket.socket, forget: Callable[["Tunnel"], None]) -> None:
        self._socket = connected
        self._stream: Stream = PlainStream(connected)
        self._forget = forget
        self.cut_off = False  # whether the sandbox ended under it: then what came is not complete

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._forget(self)
        self._socket.close()

    async def receive(self) -> bytes:
        """Return what the service sends next; nothing at its end.

        Raises:
            OSError: the connection was reset.
        """
        return await self._stream.receive(READ_BYTES)

    async def send(self, data: bytes) -> None:
        """Send, and wait until the system has taken all of it.

        Raises:
            OSError: the service has closed the connection.
        """
        await self._stream.send(data)

    async def secure(self) -> None:
        """Speak TLS with the service, whoever it says it is: inside there is nobody else.

        Raises:
            OSError, TimeoutError: it speaks something else.
        """
        secured = TlsStream(self._stream, _believe_anybody(), "localhost")
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await secured.shake_hands()
        self._stream = secured

    def cut(self) -> None:
        """End both directions now; whoever waits for the service sees its end."""
        self.cut_off = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the service had ended it already


class Tunnels:
    """All connections to the services of one sandbox.

    Args:
        open_socket: opens a TCP socket in the sandbox's network.
    """

    def __init__(self, open_socket: OpenSocket) -> None:
        self._open_socket = open_socket
        self._open: set[Tunnel] = set()
        self._opening = 0
        self._ended = False

    async def open(self, port: int) -> Tunnel:
        """Connect to the service that listens on `port`.

        Raises:
            PortClosedError: there is none, or it takes no connections.
            TooManyTunnelsError: `TUNNELS_MAX` are open.
            GuestLostError: the sandbox has ended.
        """
        if len(self._open) + self._opening >= TUNNELS_MAX:
            raise TooManyTunnelsError
        self._opening += 1
        try:
            connected = await self._connect(port)
        finally:
            self._opening -= 1
        tunnel = Tunnel(connected, self._open.discard)
        self._open.add(tunnel)
        if self._ended:
            tunnel.cut()
        return tunnel

    async def _connect(self, port: int) -> socket.socket:
        for family, address in _ADDRESSES:
            try:
                opened = await self._open_socket(family)
            except GuestLostError:
                if family != socket.AF_INET6:
                    raise
                continue  # this machine has no IPv6
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await asyncio.get_running_loop().sock_connect(opened, (address, port))
            except OSError:  # refused or, TimeoutError among them, never accepted
                opened.close()
            except BaseException:
                opened.close()
                raise
            else:
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return opened
        raise PortClosedError(f"port {port} is not open")

    def cut(self) -> None:
        """End all of them: the sandbox has ended."""
        self._ended = True
        for tunnel in tuple(self._open):
            tunnel.cut()


@functools.cache
def _believe_anybody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context
