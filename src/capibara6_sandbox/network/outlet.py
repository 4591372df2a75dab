"""One sandbox's way out: accepts what it connects to, decides, and connects on its behalf."""

import asyncio
import contextlib
import errno
import ipaddress
import socket
import struct
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final

from capibara6_sandbox.network import dns
from capibara6_sandbox.network.first_bytes import BYTES_MAX, told_name
from capibara6_sandbox.network.policy import NOTHING, EgressProxy, Policy, Rules, Verdict
from capibara6_sandbox.network.reach import HOST_ADDRESS, HOST_NAME, Reach
from capibara6_sandbox.network.relay import Allowance, relay, reset
from capibara6_sandbox.network.resolver import ATTEMPT_TIMEOUT_S, Resolver, exchange_datagram
from capibara6_sandbox.network.socks import negotiate, read_exactly

CONNECTIONS_MAX: Final = 512
REST_S: Final = 0.2
QUERIES_MAX: Final = 128
CONNECT_TIMEOUT_S: Final = 30.0
NAME_TIMEOUT_S: Final = 10.0
_QUERY_BYTES_MAX: Final = 4096
_ACCEPTS_AT_ONCE: Final = 64
_PKTINFO: Final = struct.Struct("=I4s4s")
_DNS_PORT: Final = 53
_IP_PKTINFO: Final = 8  # which the socket module does not name


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all outlets of a server share."""

    reach: Reach
    resolver: Resolver
    dns_address: str  # which sandboxes know as their name server
    host_ports: frozenset[int]  # of this host's loopback, open as HOST_NAME
    rate_bytes_s: float = 0  # of each sandbox, both ways together; 0: no limit


class Outlet:
    """Everything that one sandbox has open outside. Closed for all until it is given a policy."""

    def __init__(
        self, connections: socket.socket, queries: socket.socket, around: Surroundings
    ) -> None:
        self._connections = connections
        self._queries = queries
        self._around = around
        self._rules = Rules(NOTHING)
        self._proxy: EgressProxy | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = 0
        self._asked = 0
        self._allowance = Allowance(around.rate_bytes_s)
        self._resting: asyncio.TimerHandle | None = None
        loop = asyncio.get_running_loop()
        for listening in (connections, queries):
            listening.setblocking(False)
        loop.add_reader(connections, self._accept)
        loop.add_reader(queries, self._take_query)

    def apply(self, policy: Policy) -> None:
        """Decide by another policy from now on. What is open stays open, as in E2B's cloud."""
        self._rules = Rules(policy)
        self._proxy = policy.proxy

    async def close(self) -> None:
        """End everything. To be called once."""
        loop = asyncio.get_running_loop()
        if self._resting is not None:
            self._resting.cancel()
        for listening in (self._connections, self._queries):
            loop.remove_reader(listening)
            listening.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_AT_ONCE):
            try:
                accepted, _ = self._connections.accept()
            except BlockingIOError:
                return
            except OSError:  # no descriptors are left: without a rest we would try for ever
                self._rest()
                return
            if self._open >= CONNECTIONS_MAX:
                reset(accepted)
                continue
            accepted.setblocking(False)
            self._start(self._serve(accepted))

    def _rest(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._connections)
        self._resting = loop.call_later(REST_S, loop.add_reader, self._connections, self._accept)

    async def _serve(self, inner: socket.socket) -> None:
        self._open += 1
        try:
            address, port = inner.getsockname()
            if (address, port) == (self._around.dns_address, _DNS_PORT):
                await self._answer_stream(inner)
            else:
                await self._connect(inner, address, port)
            inner.close()
        except* (OSError, TimeoutError):
            pass  # the program inside reads a reset, which `finally` sends
        finally:
            self._open -= 1
            reset(inner)

    async def _connect(self, inner: socket.socket, address: str, port: int) -> None:
        head, name = b"", ""
        if self._rules.asks_name(port):
            head, name = await _read_name(inner, port)
        verdict = self._rules.decide(address, name)
        if verdict is Verdict.DENIED:
            raise PermissionError(errno.EACCES, "denied by the policy")
        name = name if verdict is Verdict.BY_NAME else ""
        proxy = self._proxy
        way = (proxy.host, proxy.port) if proxy else (name or address, port)
        with await _connect_any(await self._targets(*way)) as outer:
            try:
                if proxy:
                    async with asyncio.timeout(CONNECT_TIMEOUT_S):
                        await negotiate(outer, proxy, name or address, port)
                await asyncio.get_running_loop().sock_sendall(outer, head)
                await relay(inner, outer, self._allowance)
            except BaseException:
                reset(outer)
                raise

    async def _targets(self, host: str, port: int) -> list[tuple[str, int]]:
        """Return where an address or a name leads, as far as that may be reached."""
        around = self._around
        if host in (HOST_ADDRESS, HOST_NAME) and port in around.host_ports:
            return [("127.0.0.1", port)]
        found = [host] if _is_address(host) else await around.resolver.addresses(host)
        return [(target, port) for target in found if around.reach.covers(target)]

    def _take_query(self) -> None:
        for _ in range(_ACCEPTS_AT_ONCE):
            try:
                packet, extra, _, source = self._queries.recvmsg(_QUERY_BYTES_MAX, 128)
            except OSError:
                return
            if extra and self._asked < QUERIES_MAX:
                meant = _PKTINFO.unpack(extra[0][2])[2]
                self._start(self._answer_datagram(packet, meant, source))

    async def _answer_datagram(self, packet: bytes, meant: bytes, source: tuple[str, int]) -> None:
        self._asked += 1
        try:
            server = socket.inet_ntoa(meant)
            if server == self._around.dns_address:
                answer = await self._answer(packet, stream=False)
            else:
                answer = await self._ask_elsewhere(server, packet)
            if answer:
                ours = [(socket.SOL_IP, _IP_PKTINFO, _PKTINFO.pack(0, meant, bytes(4)))]
                self._queries.sendmsg([answer], ours, 0, source)
        except (OSError, TimeoutError):
            pass  # datagrams get lost; who asked asks again
        finally:
            self._asked -= 1

    async def _ask_elsewhere(self, server: str, packet: bytes) -> bytes | None:
        """Ask a name server that the program has chosen itself, as it stands."""
        if self._rules.decide(server) is Verdict.DENIED or not self._around.reach.covers(server):
            return None
        async with asyncio.timeout(ATTEMPT_TIMEOUT_S):
            return await exchange_datagram((server, _DNS_PORT), packet)

    async def _answer(self, packet: bytes, *, stream: bool) -> bytes | None:
        try:
            question = dns.read_question(packet)
        except dns.MalformedError:
            return None
        if question.name.lower() == HOST_NAME:
            known = HOST_ADDRESS if question.type == dns.TYPE_A else ""
            return dns.reply(packet, question, address=known)
        if not self._rules.resolves(question.name):
            return dns.reply(packet, question, dns.REFUSED)
        if question.type == dns.TYPE_AAAA:  # sandboxes have no IPv6
            return dns.reply(packet, question)
        answer = await self._around.resolver.ask(packet, stream=stream)
        return answer or dns.reply(packet, question, dns.SERVER_FAILURE)

    async def _answer_stream(self, inner: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(NAME_TIMEOUT_S):
            length = int.from_bytes(await read_exactly(inner, 2))
            answer = await self._answer(await read_exactly(inner, length), stream=True)
            if answer:
                await loop.sock_sendall(inner, len(answer).to_bytes(2) + answer)


def _is_address(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


async def _read_name(inner: socket.socket, port: int) -> tuple[bytes, str]:
    """Read until the name is told; return what was read, and it."""
    loop = asyncio.get_running_loop()
    head, name = b"", None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(NAME_TIMEOUT_S):
            while name is None and (more := await loop.sock_recv(inner, BYTES_MAX)):
                head += more
                name = told_name(port, head)
    return head, name or ""


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
