"""Connections to the outside: where a name leads, what may be reached, and through which proxy."""

import asyncio
import contextlib
import errno
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from capibara6_sandbox.network.proxies import EgressProxy
from capibara6_sandbox.network.reach import Reach, Shown
from capibara6_sandbox.network.relay import break_off_at_death, part, reset
from capibara6_sandbox.network.resolver import Resolver
from capibara6_sandbox.network.socks import negotiate
from capibara6_sandbox.network.streams import PlainStream, Stream, TlsStream

CONNECT_TIMEOUT_S: Final = 30.0
CONNECTIONS_MAX: Final = 512  # of a sandbox at a time, unless the server is told otherwise


class Limit(StrEnum):
    """What a sandbox can meet outside."""

    RATE = "rate"  # bytes wait
    CONNECTIONS = "connections"  # further ones are reset


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all outlets of a server share."""

    reach: Reach
    resolver: Resolver
    dns_address: str  # which sandboxes know as their name server
    shown: Shown  # of this host itself
    trust: ssl.SSLContext  # which servers' certificates this host believes
    rate_bytes_s: float = 0  # of each sandbox, both ways together; 0: no limit
    connections_max: int = CONNECTIONS_MAX  # of each sandbox at a time


@dataclass(frozen=True, slots=True)
class Outer:
    """A connection to the outside."""

    socket: socket.socket
    stream: Stream  # over the socket, within TLS where its proxy wants that
    plain: bool  # whether bytes pass through the socket as they are


async def leads_to(
    host: str, port: int, resolver: Resolver, shown: Shown
) -> tuple[list[str], bool]:
    """Return the addresses of a name or address, and whether they are what this host shows."""
    if shown.covers(host, port):
        return ["127.0.0.1"], True
    return ([host] if _is_address(host) else await resolver.addresses(host)), False


class Dialler:
    """Connects on sandboxes' behalf."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    @contextlib.asynccontextmanager
    async def connect(
        self, hosts: Sequence[str], port: int, proxy: EgressProxy | None
    ) -> AsyncIterator[Outer]:
        """Connect; what fails inside the block resets the connection.

        Args:
            hosts: names or addresses of which any will do.
            port: on it.
            proxy: which is asked to connect to the first host; names are its to look up.

        Raises:
            OSError, TimeoutError: nothing that may be reached accepts.
        """
        if proxy is None:
            targets = [t for host in hosts for t in await self._targets(host, port)]
        else:
            targets = await self._targets(proxy.host, proxy.port)
        outer = await _connect_any(targets)
        try:
            if proxy is None:
                yield Outer(outer, PlainStream(outer), plain=True)
            else:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    stream = await self._through(outer, proxy, hosts[0], port)
                yield Outer(outer, stream, plain=proxy.tls is None)
            part(outer)
        finally:
            reset(outer)

    async def addresses(self, name: str) -> list[str]:
        """Return where a name leads, as far as that may be reached."""
        return [address for address, _ in await self._targets(name, 0)]

    async def _targets(self, host: str, port: int) -> list[tuple[str, int]]:
        around = self._around
        found, shown = await leads_to(host, port, around.resolver, around.shown)
        return [(target, port) for target in found if shown or around.reach.covers(target)]

    async def _through(
        self, outer: socket.socket, proxy: EgressProxy, host: str, port: int
    ) -> Stream:
        stream: Stream = PlainStream(outer)
        if proxy.tls is not None:
            trust = self._around.trust
            if proxy.tls.authorities:
                trust = ssl.create_default_context(cadata=proxy.tls.authorities)
            secured = TlsStream(stream, trust, proxy.tls.server_name or proxy.host)
            await secured.shake_hands()
            stream = secured
        await negotiate(stream, proxy, host, port)
        return stream


def _is_address(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


async def _connect_any(targets: list[tuple[str, int]]) -> socket.socket:
    """Connect to the first target that accepts.

    Raises:
        OSError, TimeoutError: none does.
    """
    failure: OSError = PermissionError(errno.EACCES, "no address that may be reached")
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        for target in targets:
            outer = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            try:
                outer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                break_off_at_death(outer)
                await loop.sock_connect(outer, target)
            except OSError as cause:
                outer.close()
                failure = cause
            except BaseException:
                outer.close()
                raise
            else:
                return outer
    raise failure
