"""What a sandbox may reach, as clients say it: read, checked, and changed while it runs."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from capibara6_sandbox.errors import BadRequestError
from capibara6_sandbox.gateway.bodies import read_model
from capibara6_sandbox.gateway.control_bodies import Egress, NetworkUpdate, ProxyBody
from capibara6_sandbox.gateway.life_calls import path_id
from capibara6_sandbox.host.keeper import Keeper
from capibara6_sandbox.network.policy import EgressProxy, Policy, PolicyError, Rules, parse_proxy
from capibara6_sandbox.network.transforms import parse_rules


class NetworkCalls:
    """The endpoints."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("/sandboxes/{id}/network", self.update, methods=["PUT"])]

    async def update(self, request: Request) -> Response:
        """Replace what a running sandbox may reach; what is left out is cleared."""
        sandbox = self._keeper.find(path_id(request))
        body = await read_model(request, NetworkUpdate)
        policy = policy_of(body, internet=body.allow_internet_access)
        await self._keeper.set_policy(sandbox, policy)
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
        policy = Policy(allowed, denied, internet, proxy, parse_rules(_plain(egress)))
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
        return parse_proxy(body.address, body.username or "", body.password or "")
    except PolicyError as cause:
        raise BadRequestError(f"Invalid egress proxy config: {cause}") from None
