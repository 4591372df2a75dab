"""Asks the host's name servers, for sandboxes and for ourselves."""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from capibara6_sandbox.network import dns

ATTEMPT_TIMEOUT_S: Final = 3.0
SERVERS_MAX: Final = 3
Server = tuple[str, int]


def host_servers(path: Path = Path("/etc/resolv.conf")) -> list[Server]:
    """Return the name servers that this host uses; its IPv4 ones."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return []
    words = [line.split() for line in lines]
    found = [w[1] for w in words if len(w) > 1 and w[0] == "nameserver" and ":" not in w[1]]
    return [(address, 53) for address in found[:SERVERS_MAX]]


class Resolver:
    """Forwards queries to name servers, one after the other until one answers."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers = list(servers)

    async def ask(self, query: bytes, *, stream: bool = False) -> bytes | None:
        """Return the first answer; None if there is none.

        Args:
            query: a whole message.
            stream: over TCP, where long answers fit.
        """
        exchange = exchange_stream if stream else exchange_datagram
        for server in self._servers:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                async with asyncio.timeout(ATTEMPT_TIMEOUT_S):
                    return await exchange(server, query)
        return None

    async def addresses(self, name: str) -> list[str]:
        """Return the IPv4 addresses of a name; none if it has none."""
        try:
            answer = await self.ask(dns.query(secrets.randbits(16), name))
            return dns.read_addresses(answer) if answer else []
        except dns.MalformedError:
            return []


async def exchange_datagram(server: Server, query: bytes) -> bytes:
    """Send one query from a port of its own; return the answer to it, and to no other.

    Raises:
        OSError: there is no way, or nobody listens.
    """
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as client:
        client.connect(server)
        client.send(query)
        while True:
            answer = await loop.sock_recv(client, dns.MESSAGE_BYTES_MAX)
            if answer[:2] == query[:2]:
                return answer


async def exchange_stream(server: Server, query: bytes) -> bytes:
    """Send one query over TCP and return the answer.

    Raises:
        OSError, IncompleteReadError: there was none.
    """
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(len(query).to_bytes(2) + query)
        length = int.from_bytes(await reader.readexactly(2))
        return await reader.readexactly(length)
    finally:
        writer.close()
