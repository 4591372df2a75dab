"""The process through which sandboxes reach the network.

    python -m capibara6_sandbox.network.egress SETUP_JSON     channel on descriptor 3

It holds the sockets of every sandbox's uplink and makes all connections itself, so that their bytes
neither burden the server nor pass through a process that has rights: as root it becomes nobody
before it reads the first byte from a sandbox. Messages of the server ("op"):

    open          "key", fds: TCP listener, DNS socket
    policy        "key", "number", fd: a file with the fields of a Policy, and "secrets"
    certificate   "key", "host", fd: a file with chain and key in PEM; none: there is none
    close         "key"

And to it:

    applied       "number": of the policy that decides from now on
    vouch         "key", "host": wants a certificate
    met           "key", "limit": bytes wait or connections are reset, for the first time

It ends with the server.
"""

import asyncio
import encodings.ascii
import encodings.idna
import encodings.latin_1  # found by name at run time, when we may not read files any more
import ipaddress
import json
import os
import resource
import signal
import socket
import ssl
import sys
from collections.abc import Sequence
from typing import Any, Final

from capibara6_sandbox.isolation import identity, landlock, linux, seccomp
from capibara6_sandbox.network.certificates import Certificates
from capibara6_sandbox.network.dialling import Surroundings
from capibara6_sandbox.network.outlet import Outlet
from capibara6_sandbox.network.policy import restore
from capibara6_sandbox.network.reach import Mode, Reach, Shown
from capibara6_sandbox.network.resolver import Resolver
from capibara6_sandbox.zygote.channel import Channel

CHANNEL_FD: Final = 3
_FILE_BYTES_MAX: Final = 64 * 1024 * 1024
_NOBODY: Final = 65_534
_PRELOADED = (encodings,)


def main() -> None:
    """Give up rights, and serve until the server is gone."""
    setup = json.loads(sys.argv[1])
    linux.set_process_name("c6-egress")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    trust = ssl.create_default_context()  # while we may still read what only root may
    trust.set_alpn_protocols(["http/1.1"])
    if setup["authority"]:
        trust.load_verify_locations(cadata=setup["authority"])
    if identity.has_id_ranges():
        identity.become(_NOBODY)
    linux.set_capabilities(frozenset())
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    linux.prctl(linux.PR_SET_DUMPABLE, 0)  # secrets pass through: no core, no tracer
    landlock.renounce_files()
    linux.install_seccomp_filter(seccomp.build_filter())
    channel = Channel(socket.socket(fileno=CHANNEL_FD))
    channel.send({"ready": True})
    asyncio.run(_serve(channel, setup, trust))


async def _serve(channel: Channel, setup: dict[str, Any], trust: ssl.SSLContext) -> None:
    egress = Egress(
        channel,
        Surroundings(
            Reach(Mode(setup["mode"]), [ipaddress.IPv4Network(b) for b in setup["opened"]]),
            Resolver([(address, port) for address, port in setup["servers"]]),
            setup["dns_address"],
            Shown(frozenset(setup["host_ports"]), setup["domain"]),
            trust,
            setup["rate_bytes_s"],
            setup["connections_max"],
        ),
    )
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(channel.fileno(), egress.take_order, ended)
    await ended.wait()


class Egress:
    """The outlets of all sandboxes."""

    def __init__(self, channel: Channel, around: Surroundings) -> None:
        self._channel = channel
        self._around = around
        self._outlets: dict[int, Outlet] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def take_order(self, ended: asyncio.Event) -> None:
        """Read and follow one message of the server."""
        received = self._channel.receive()
        if received is None:
            ended.set()
            return
        order, fds = received
        key = order["key"]
        if order["op"] == "open":
            self._open(key, fds)
        elif order["op"] == "policy":
            told = json.loads(_read(fds))
            self._outlets[key].apply(restore(told), told["secrets"])
            self._channel.send({"op": "applied", "number": order["number"]})
        elif order["op"] == "certificate":
            if key in self._outlets:
                self._outlets[key].certificates.take(order["host"], _read(fds))
        elif key in self._outlets:
            task = asyncio.create_task(self._outlets.pop(key).close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _open(self, key: int, fds: Sequence[int]) -> None:
        tcp, dns = (socket.socket(fileno=fd) for fd in fds)
        certificates = Certificates(
            lambda host: self._channel.send({"op": "vouch", "key": key, "host": host})
        )
        self._outlets[key] = Outlet(
            tcp,
            dns,
            self._around,
            certificates,
            lambda limit: self._channel.send({"op": "met", "key": key, "limit": limit}),
        )


def _read(fds: Sequence[int]) -> str:
    """Read a file that the server has written whole; "" without one."""
    data = b""
    for fd in fds:
        data = os.pread(fd, _FILE_BYTES_MAX, 0)
        os.close(fd)
    return data.decode()


if __name__ == "__main__":
    main()
