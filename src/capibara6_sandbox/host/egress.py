"""The server's side of the egress process: starting it, and exchanging messages with it."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

import capibara6_sandbox
from capibara6_sandbox.host.zygotes import (
    START_TIMEOUT_S,
    ZygoteError,
    closed_on_failure,
    reap,
    wait_for_exit,
)
from capibara6_sandbox.isolation.rootfs import DNS_ADDRESS
from capibara6_sandbox.network.dialling import CONNECTIONS_MAX
from capibara6_sandbox.network.egress import CHANNEL_FD
from capibara6_sandbox.network.reach import Mode, Shown
from capibara6_sandbox.network.resolver import Server, host_servers
from capibara6_sandbox.zygote.channel import Channel

_END_GRACE_S: Final = 2.0
_SEND_S_MAX: Final = 1.0
# Where OpenSSL finds the authorities that this host trusts, if not in its usual place.
_TRUST: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What a server is told about the network of its sandboxes."""

    mode: Mode = Mode.PUBLIC
    opened: tuple[str, ...] = ()  # CIDR blocks reached whatever they are
    shown: Shown = field(default_factory=Shown)  # of this host itself
    authority: str = ""  # that vouches for what it shows, in PEM
    rate_bytes_s: float = 0  # of each sandbox, both ways together; 0: no limit
    connections_max: int = CONNECTIONS_MAX  # of each sandbox at a time
    servers: tuple[Server, ...] = ()  # name servers; none: the host's


class EgressProcess:
    """One egress process; `start` it once.

    Args:
        hear: takes each message of it.
        lose: is called once when it has ended by itself.
    """

    def __init__(self, hear: Callable[[dict[str, Any]], None], lose: Callable[[], None]) -> None:
        self._hear, self._lose = hear, lose
        self._channel: Channel | None = None
        self._pidfd = -1

    async def start(self, settings: NetworkSettings) -> None:
        """Start it and wait until it is ready.

        Raises:
            ZygoteError: it ended instead, or did not answer in time; nothing is left of it.
        """
        setup = {
            "mode": settings.mode,
            "opened": settings.opened,
            "host_ports": sorted(settings.shown.ports),
            "domain": settings.shown.domain,
            "authority": settings.authority,
            "rate_bytes_s": settings.rate_bytes_s,
            "connections_max": settings.connections_max,
            "servers": settings.servers or host_servers(),
            "dns_address": DNS_ADDRESS,
        }
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, closed_on_failure(ours):
            self._pidfd = os.pidfd_open(_spawn(setup, theirs))
        self._channel = Channel(ours)
        ours.settimeout(START_TIMEOUT_S)
        try:
            await self._await_answer(self._channel)
        except BaseException:  # nobody else knows of it
            await self.close()
            raise
        ours.settimeout(_SEND_S_MAX)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._channel.fileno(), self._on_message)
        loop.add_reader(self._pidfd, self._on_exit)

    async def _await_answer(self, channel: Channel) -> None:
        loop = asyncio.get_running_loop()
        answered = asyncio.Event()
        loop.add_reader(channel.fileno(), answered.set)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await answered.wait()
        except TimeoutError:
            text = f"the egress process did not start in {START_TIMEOUT_S:g} s"
            raise ZygoteError(text) from None
        finally:
            loop.remove_reader(channel.fileno())
        if channel.receive() is None:
            raise ZygoteError("the egress process ended at its start; its message is above")

    def send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        """Send a message; one to a process that has ended is lost, which `lose` tells.

        A process that takes none for a second will not recover: it is ended, for a new one.
        """
        if self._channel is None:
            return
        try:
            self._channel.send(message, fds)
        except (BrokenPipeError, ConnectionResetError):
            return
        except TimeoutError:
            self.give_up(_SEND_S_MAX)

    def give_up(self, waited_s: float) -> None:
        """End a process that does not answer, which `lose` tells."""
        if self._channel is not None:
            _log.error("egress_process_stuck", waited_s=waited_s)
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def send_file(self, message: dict[str, Any], text: str) -> None:
        """Send a message with a file, which exists in memory only."""
        fd = os.memfd_create("c6-egress")
        try:
            data = memoryview(text.encode())
            while data:
                data = data[os.write(fd, data) :]
            self.send(message, [fd])
        finally:
            os.close(fd)

    def _on_message(self) -> None:
        assert self._channel is not None
        try:
            received = self._channel.receive()
        except ConnectionResetError:
            received = None
        if received is None:
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
        else:
            self._hear(received[0])

    def _on_exit(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        self._lose()

    async def close(self) -> None:
        """End it. Idempotent."""
        channel, self._channel = self._channel, None
        if channel is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(channel.fileno())
        loop.remove_reader(self._pidfd)
        channel.close()
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)
        await wait_for_exit(self._pidfd, _END_GRACE_S)
        reap(self._pidfd)
        os.close(self._pidfd)


def _spawn(setup: dict[str, Any], end: socket.socket) -> int:
    packages = Path(capibara6_sandbox.__file__).parent.parent
    trust = {name: os.environ[name] for name in _TRUST if name in os.environ}
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "capibara6_sandbox.network.egress", json.dumps(setup)],
        {"PATH": os.defpath, "PYTHONPATH": str(packages), "LANG": "C.UTF-8", **trust},
        file_actions=[(os.POSIX_SPAWN_DUP2, end.fileno(), CHANNEL_FD)],
        setsid=True,
    )
