"""One sandbox's way out: accepts what it connects to, decides, and connects on its behalf."""

import asyncio
import contextlib
import errno
import socket
import ssl
import struct
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from capibara6_sandbox.network import dns
from capibara6_sandbox.network.certificates import Certificates
from capibara6_sandbox.network.dialling import CONNECT_TIMEOUT_S, Dialler, Limit, Surroundings
from capibara6_sandbox.network.first_bytes import BYTES_MAX, told_name
from capibara6_sandbox.network.http_headers import Headers
from capibara6_sandbox.network.interception import Interception
from capibara6_sandbox.network.policy import NAMED_PORTS, NOTHING, Policy, Rules, Verdict
from capibara6_sandbox.network.proxies import EgressProxy
from capibara6_sandbox.network.reach import HOST_ADDRESS
from capibara6_sandbox.network.relay import (
    Allowance,
    break_off_at_death,
    part,
    relay,
    relay_streams,
    reset,
)
from capibara6_sandbox.network.resolver import ATTEMPT_TIMEOUT_S, exchange_datagram
from capibara6_sandbox.network.streams import PlainStream, Stream, TlsStream, receive_exactly
from capibara6_sandbox.network.transforms import Transforms

REST_S: Final = 0.2
QUERIES_MAX: Final = 128
INTERCEPTED_MAX: Final = 128  # of the connections: these cost memory of ours
NAME_TIMEOUT_S: Final = 10.0
_QUERY_BYTES_MAX: Final = 4096
_ACCEPTS_AT_ONCE: Final = 64
_PKTINFO: Final = struct.Struct("=I4s4s")
_DNS_PORT: Final = 53
_TLS_PORTS: Final = frozenset({443})
_IP_PKTINFO: Final = 8  # which the socket module does not name


class Outlet:
    """Everything that one sandbox has open outside. Closed for all until it is given a policy."""

    def __init__(
        self,
        connections: socket.socket,
        queries: socket.socket,
        around: Surroundings,
        certificates: Certificates,
        tell: Callable[[Limit], None] = lambda _: None,
    ) -> None:
        self.certificates = certificates  # which programs inside believe for hosts with rules
        self._connections = connections
        self._queries = queries
        self._around = around
        self._dialler = Dialler(around)
        self._rules = Rules(NOTHING)
        self._proxy: EgressProxy | None = None
        self._transforms = Transforms()
        self._intercepted = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = 0
        self._asked = 0
        self._allowance = Allowance(around.rate_bytes_s, lambda: self._meet(Limit.RATE))
        self._tell = tell
        self._met: set[Limit] = set()
        self._resting: asyncio.TimerHandle | None = None
        loop = asyncio.get_running_loop()
        break_off_at_death(connections)
        for listening in (connections, queries):
            listening.setblocking(False)
        loop.add_reader(connections, self._accept)
        loop.add_reader(queries, self._take_query)

    def apply(self, policy: Policy, secrets: Mapping[str, str]) -> None:
        """Decide by another policy from now on. What is open stays open, as in E2B's cloud.

        Args:
            policy: it.
            secrets: those that its rules refer to, by name.
        """
        self._rules = Rules(policy)
        self._proxy = policy.proxy
        self._transforms = Transforms(policy.rules, secrets)

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
            if self._open >= self._around.connections_max:
                reset(accepted)
                self._meet(Limit.CONNECTIONS)
                continue
            accepted.setblocking(False)
            self._start(self._serve(accepted))

    def _meet(self, limit: Limit) -> None:
        """Tell, once, that the sandbox has met a limit: what is slow or reset has a reason."""
        if limit not in self._met:
            self._met.add(limit)
            self._tell(limit)

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
            part(inner)
        except* (OSError, TimeoutError):
            pass  # the program inside reads a reset, which `finally` sends
        finally:
            self._open -= 1
            reset(inner)

    async def _connect(self, inner: socket.socket, address: str, port: int) -> None:
        head, name = b"", ""
        if self._rules.asks_name(port) or (self._transforms and port in NAMED_PORTS):
            head, name = await _read_name(inner, port)
        verdict = self._rules.decide(address, name)
        if verdict is Verdict.DENIED:
            raise PermissionError(errno.EACCES, "denied by the policy")
        name = name.lower().removesuffix(".")
        if self._transforms.find(name):
            hosts = [name] if verdict is Verdict.BY_NAME else await self._allowed(name)
            await self._intercept(inner, head, name, port, hosts)
            return
        host = name if verdict is Verdict.BY_NAME else address
        async with self._dialler.connect([host], port, self._proxy) as outer:
            await outer.stream.send(head)
            if outer.plain:
                await relay(inner, outer.socket, self._allowance)
            else:
                await relay_streams(PlainStream(inner), outer.stream, self._allowance)

    async def _allowed(self, name: str) -> list[str]:
        """Return where a name leads, wherever the program sent its connection.

        Raises:
            PermissionError: nowhere that the policy allows.
        """
        shown = self._around.shown.names(name)
        found = [HOST_ADDRESS] if shown else await self._dialler.addresses(name)
        allowed = [to for to in found if self._rules.decide(to) is not Verdict.DENIED]
        if not allowed:
            raise PermissionError(errno.EACCES, "no address that may be reached")
        return allowed

    async def _intercept(
        self, inner: socket.socket, head: bytes, name: str, port: int, hosts: Sequence[str]
    ) -> None:
        """Pass HTTP on to the real server of `name`, changed by the rules for it."""
        if self._intercepted >= INTERCEPTED_MAX:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "too many connections to change")
        self._intercepted += 1
        try:
            async with self._dialler.connect(hosts, port, self._proxy) as outer:
                program: Stream = PlainStream(inner, head)
                server: Stream | None = outer.stream
                failure = ""
                if port in _TLS_PORTS:
                    server, failure = await self._verified(outer.stream, name)
                    program = await self._secured(program, name)
                await Interception(
                    program, server, name, port, lambda: self._added(name), self._allowance, failure
                ).run()
        finally:
            self._intercepted -= 1

    async def _verified(self, stream: Stream, name: str) -> tuple[Stream | None, str]:
        """Speak TLS with the real server; without one that this host believes, say why."""
        server = TlsStream(stream, self._around.trust, name)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await server.shake_hands()
        except ssl.SSLCertVerificationError as cause:
            return None, f"The certificate of {name} does not hold: {cause.verify_message}."
        return server, ""

    async def _secured(self, stream: Stream, name: str) -> Stream:
        """Speak TLS with the program, in the server's place."""
        program = TlsStream(stream, await self.certificates.find(name))
        async with asyncio.timeout(NAME_TIMEOUT_S):
            await program.shake_hands()
        return program

    def _added(self, name: str) -> Headers:
        """Return the headers of now for a host, also for connections that were open before."""
        transform = self._transforms.find(name)
        return transform.fill() if transform else []

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
        if self._around.shown.names(question.name.lower()):
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
            asked = PlainStream(inner)
            length = int.from_bytes(await receive_exactly(asked, 2))
            answer = await self._answer(await receive_exactly(asked, length), stream=True)
            if answer:
                await loop.sock_sendall(inner, len(answer).to_bytes(2) + answer)


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
