"""The ways out of all sandboxes: what each may reach, and the process that they lead to.

What that process is told is kept here, and with it the sockets: when it dies, another one takes
its place, and only what was open is lost.
"""

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import structlog

from capibara6_sandbox.errors import BadRequestError, StartError
from capibara6_sandbox.host.authority import Authority
from capibara6_sandbox.host.egress import EgressProcess, NetworkSettings
from capibara6_sandbox.host.key_records import TEAM_DEFAULT
from capibara6_sandbox.host.secret_store import SecretStore
from capibara6_sandbox.host.signing import CertificateError, Signed
from capibara6_sandbox.host.zygotes import ZygoteError
from capibara6_sandbox.network.dialling import Limit, leads_to
from capibara6_sandbox.network.policy import NOTHING, Policy, parse_networks
from capibara6_sandbox.network.proxies import EgressProxy
from capibara6_sandbox.network.reach import Reach
from capibara6_sandbox.network.resolver import Resolver, host_servers
from capibara6_sandbox.network.transforms import Transforms, is_host, secret_names

CERTIFICATES_MAX: Final = 256  # of one sandbox: each costs this process 10 ms
_RESTART_DELAY_S: Final = 0.1
_RESTART_DELAY_S_MAX: Final = 30.0
_APPLY_S_MAX: Final = 10.0  # a process that takes longer to read one message is stuck
_LONG_LIFE_S: Final = 60.0  # after which a death is not taken for one of a series

_log = structlog.get_logger()


@dataclass(slots=True)
class _Outlet:
    fds: list[int]
    policy: Policy = NOTHING
    team: str = TEAM_DEFAULT  # whose secrets its rules mean
    authority: Authority | None = None
    issued: dict[str, Signed] = field(default_factory=dict)
    # One at a time, so that all count, and that a sandbox waits for itself and not others for it.
    signing: asyncio.Lock = field(default_factory=asyncio.Lock)


class Outlets:
    """The ways out of one server's sandboxes.

    Args:
        settings: how far they reach.
        secrets: what rules refer to.
        on_limit: is told in words, once, what the sandbox of a key has met.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        secrets: SecretStore,
        on_limit: Callable[[int, str], None] = lambda _key, _text: None,
    ) -> None:
        self._settings = settings
        self._reach = Reach(settings.mode, parse_networks(settings.opened))
        self._secrets = secrets
        self._outlets: dict[int, _Outlet] = {}
        self._keys = 0
        self._process: EgressProcess | None = None
        self._started_at = 0.0
        self._deaths = 0  # in a row
        self._tasks: set[asyncio.Task[None]] = set()
        self._policies = 0  # sent so far
        self._unapplied: dict[int, asyncio.Future[None]] = {}  # by the policy's number
        self._on_limit = on_limit
        secrets.on_change = self._renew

    async def start(self) -> None:
        """Start the egress process.

        Raises:
            ZygoteError: it ended instead.
        """
        process = EgressProcess(self._hear, self._lose)
        await process.start(self._settings)
        self._process = process
        self._started_at = asyncio.get_running_loop().time()

    async def check(self, proxy: EgressProxy) -> None:
        """See whether sandboxes may reach a proxy, as far as that can be told now.

        Raises:
            BadRequestError: it leads nowhere, or to where they may not.
        """
        settings = self._settings
        resolver = Resolver(settings.servers or host_servers())
        found, shown = await leads_to(proxy.host, proxy.port, resolver, settings.shown)
        if not found:
            text = f'resolve egress proxy host "{proxy.host}": there is no such host'
            raise BadRequestError(f"Invalid egress proxy config: {text}")
        for address in found if not shown else ():
            if not self._reach.covers(address):
                text = "egress proxy endpoint resolves to an internal / denied IP range"
                text += f": {proxy.host} resolves to {address}"
                raise BadRequestError(f"Invalid egress proxy config: {text}")

    def open(self, fds: Sequence[int]) -> int:
        """Take a sandbox's uplink, closed for all until `apply`; return its key."""
        self._keys += 1
        self._outlets[self._keys] = _Outlet(list(fds))
        self._send_open(self._keys)
        return self._keys

    async def apply(self, key: int, policy: Policy, team: str = TEAM_DEFAULT) -> None:
        """Decide by `policy`, with a team's secrets; return when nothing passes by another one."""
        if key not in self._outlets:  # the sandbox has ended meanwhile
            return
        self._outlets[key].policy, self._outlets[key].team = policy, team
        process = self._process
        if process is None:  # nothing passes; the next one is told before anything does
            return
        number = self._send_policy(key)
        self._unapplied[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(_APPLY_S_MAX):
                await self._unapplied[number]
        except TimeoutError:
            process.give_up(_APPLY_S_MAX)
        finally:
            del self._unapplied[number]

    async def authority(self, key: int, sandbox_id: str) -> str:
        """Return the certificate of a sandbox's authority, in PEM; it is made at the first call.

        Raises:
            StartError: it could not be made.
        """
        outlet = self._outlets[key]
        if outlet.authority is None:
            try:
                outlet.authority = await Authority.create(sandbox_id)
            except CertificateError as cause:
                raise StartError(f"Network rules need a certificate. {cause}") from None
        return outlet.authority.certificate

    def forget(self, key: int) -> None:
        """End everything that a sandbox has open outside."""
        for fd in self._outlets.pop(key).fds:
            os.close(fd)
        if self._process is not None:
            self._process.send({"op": "close", "key": key})

    def _send_open(self, key: int) -> None:
        if self._process is not None:
            self._process.send({"op": "open", "key": key}, self._outlets[key].fds)

    def _send_policy(self, key: int) -> int:
        """Return the number under which it is said to be applied, if there is a process."""
        self._policies += 1
        policy, team = self._outlets[key].policy, self._outlets[key].team
        secrets = self._secrets.values(secret_names(policy.rules), team)
        told = json.dumps({**asdict(policy), "secrets": secrets})
        if self._process is not None:
            self._process.send_file({"op": "policy", "key": key, "number": self._policies}, told)
        return self._policies

    def _renew(self) -> None:
        """Tell what secrets are now."""
        for key, outlet in self._outlets.items():
            if secret_names(outlet.policy.rules):
                self._send_policy(key)

    def _hear(self, message: dict[str, Any]) -> None:
        if message["op"] == "applied":
            self._note_applied(message["number"])
        elif message["op"] == "met":
            self._on_limit(message["key"], self._in_words(Limit(message["limit"])))
        else:
            self._track(self._vouch(message["key"], message["host"]))

    def _note_applied(self, *numbers: int) -> None:
        for number in numbers:
            waiting = self._unapplied.get(number)  # of secrets' changes nobody waits
            if waiting is not None and not waiting.done():
                waiting.set_result(None)

    def _in_words(self, limit: Limit) -> str:
        settings = self._settings
        if limit is Limit.RATE:
            rate = f"{settings.rate_bytes_s / 1e6:g} MB/s, both ways together"
            return f"Network held to {rate} (the server's --network-rate)"
        most = f"more than {settings.connections_max} open at a time"
        return f"Network connections reset: {most} (the server's --network-connections)"

    async def _vouch(self, key: int, host: str) -> None:
        """Answer a wish for a certificate, which a sandbox's program has caused."""
        signed = await self._signed(self._outlets.get(key), host)
        if self._process is None or key not in self._outlets:
            return
        message = {"op": "certificate", "key": key, "host": host}
        if signed is None:
            self._process.send(message)
        else:
            self._process.send_file(message, signed.certificate + signed.key)

    async def _signed(self, outlet: _Outlet | None, host: str) -> Signed | None:
        if outlet is None or outlet.authority is None or not is_host(host):
            return None
        async with outlet.signing:
            if host not in outlet.issued and Transforms(outlet.policy.rules).find(host):
                if len(outlet.issued) >= CERTIFICATES_MAX:
                    return None
                try:
                    outlet.issued[host] = await outlet.authority.vouch(host)
                except CertificateError as cause:
                    _log.error("no_certificate", host=host, cause=str(cause))
            return outlet.issued.get(host)

    def _lose(self) -> None:
        self._process, lost = None, self._process
        self._note_applied(*self._unapplied)  # nothing passes any more
        _log.error("egress_lost", effect="open connections are cut", remedy="starting anew")
        now = asyncio.get_running_loop().time()
        self._deaths = 0 if now - self._started_at > _LONG_LIFE_S else self._deaths + 1
        self._track(self._start_again(lost))

    async def _start_again(self, lost: EgressProcess | None) -> None:
        if lost is not None:
            await lost.close()
        while self._process is None:
            if self._deaths > 1:  # one death is bad luck
                delay_s = _RESTART_DELAY_S * 2.0 ** min(self._deaths, 16)
                await asyncio.sleep(min(delay_s, _RESTART_DELAY_S_MAX))
            try:
                await self.start()
            except (ZygoteError, OSError) as cause:
                self._deaths += 1
                _log.error("egress_not_started", cause=str(cause))
        for key in self._outlets:
            self._send_open(key)
            self._send_policy(key)

    def _track(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End the process, and give up all uplinks. Idempotent."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        process, self._process = self._process, None
        self._note_applied(*self._unapplied)
        if process is not None:
            await process.close()
        for key in list(self._outlets):
            self.forget(key)
