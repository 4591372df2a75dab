"""What a sandbox may reach, as clients say it: read, checked, and changed while it runs."""

import re
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from capibara6_sandbox.errors import BadRequestError
from capibara6_sandbox.gateway.bodies import read_model
from capibara6_sandbox.gateway.control_bodies import (
    Egress,
    Network,
    NetworkUpdate,
    ProxyBody,
    ProxyTlsBody,
)
from capibara6_sandbox.gateway.hosts import PORT_MAX
from capibara6_sandbox.gateway.keys import team_of
from capibara6_sandbox.gateway.life_calls import sandbox_id
from capibara6_sandbox.host.keeper import Keeper
from capibara6_sandbox.host.policies import set_policy
from capibara6_sandbox.network.policy import Policy, Rules
from capibara6_sandbox.network.proxies import EgressProxy, PolicyError, ProxyTls, parse_proxy
from capibara6_sandbox.network.transforms import parse_rules

ENVD_PORT: Final = 49983
_MASK_CHARS_MAX: Final = 253
_MASK: Final = re.compile(r"([A-Za-z0-9._\-\[\]:]|\$\{PORT\})*")


class NetworkCalls:
    """The endpoints."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("/sandboxes/{id}/network", self.update, methods=["PUT"])]

    async def update(self, request: Request) -> Response:
        """Replace what a running sandbox may reach; what is left out is cleared."""
        sandbox = self._keeper.find(sandbox_id(request), team_of(request))
        body = await read_model(request, NetworkUpdate)
        policy = policy_of(body, internet=body.allow_internet_access)
        await set_policy(self._keeper.foundry, sandbox, policy)
        return Response(status_code=204)


def policy_of(egress: Egress | None, *, internet: bool | None) -> Policy:
    """Return the policy that a client describes.

    Raises:
        BadRequestError: it contradicts itself, or asks for what there is not.
    """
    if egress is None:
        return Policy(internet=internet)
    allowed, denied = tuple(egress.allowOut or ()), tuple(egress.denyOut or ())
    proxy = _proxy_of(egress.egressProxy)
    try:
        servers = None if egress.dnsServers is None else tuple(egress.dnsServers)
        policy = Policy(allowed, denied, internet, proxy, parse_rules(_plain(egress)), servers)
        Rules(policy)
    except PolicyError as cause:
        raise BadRequestError(str(cause)) from None
    return policy


def _plain(egress: Egress) -> dict[str, list[dict[str, Any]]]:
    rules = egress.rules or {}
    return {host: [rule.model_dump() for rule in of_host] for host, of_host in rules.items()}


def _proxy_of(body: ProxyBody | None) -> EgressProxy | None:
    if body is None:
        return None
    try:
        return parse_proxy(
            body.address, body.username or "", body.password or "", _tls_of(body.tls)
        )
    except PolicyError as cause:
        raise BadRequestError(f"Invalid egress proxy config: {cause}") from None


def _tls_of(body: ProxyTlsBody | None) -> ProxyTls | None:
    if body is None:
        return None
    tls = ProxyTls(body.serverName or "", body.caCert or "")
    if not body.enabled:
        if tls != ProxyTls():
            raise PolicyError("egress proxy TLS takes no settings when it is not enabled")
        return None
    return tls


def mask_of(network: Network | None) -> str:
    """Return the Host that services see, in which ${PORT} stands for theirs; "" for what comes.

    Raises:
        BadRequestError: it can be no host.
    """
    mask = (network.maskRequestHost if network else None) or ""
    if not mask.isascii():
        text = f"mask request host '{mask[:253]}' is not ASCII. Please use ASCII characters only."
        raise BadRequestError(text)
    if len(mask) > _MASK_CHARS_MAX or not _MASK.fullmatch(mask):
        raise BadRequestError(f"mask request host is not valid: {mask[:_MASK_CHARS_MAX]}")
    return mask


def https_ports_of(network: Network | None) -> frozenset[int]:
    """Return the ports whose services speak TLS themselves.

    Raises:
        BadRequestError: one is no port, or the server's own.
    """
    ports = (network.httpsPorts if network else None) or []
    for port in ports:
        if not 0 < port <= PORT_MAX or port == ENVD_PORT:
            text = f"httpsPorts: {port} is not a port from 1 to {PORT_MAX} other than {ENVD_PORT}"
            raise BadRequestError(text)
    return frozenset(ports)
