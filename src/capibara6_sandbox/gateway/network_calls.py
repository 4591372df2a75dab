"""What a sandbox may reach, as clients say it: read, checked, and changed while it runs."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from capibara6_sandbox.errors import BadRequestError, ConflictError
from capibara6_sandbox.gateway.bodies import read_model
from capibara6_sandbox.gateway.control_bodies import Egress, NetworkUpdate, ProxyBody
from capibara6_sandbox.gateway.life_calls import path_id
from capibara6_sandbox.host.keeper import Keeper
from capibara6_sandbox.network.policy import EgressProxy, Policy, PolicyError, Rules, parse_proxy


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
        if sandbox.visible_state != "running":
            raise ConflictError(f"Sandbox {sandbox.id} is {sandbox.visible_state}; resume it first")
        body = await read_model(request, NetworkUpdate)
        self._keeper.set_policy(sandbox, policy_of(body, internet=body.allow_internet_access))
        return Response(status_code=204)


def policy_of(egress: Egress | None, *, internet: bool | None) -> Policy:
    """Return the policy that a client describes.

    Raises:
        BadRequestError: it contradicts itself, or asks for what there is not.
    """
    if egress is None:
        return Policy(internet=internet)
    if egress.rules:
        raise BadRequestError("Network transform rules are not available on this server.")
    allowed, denied = tuple(egress.allowOut or ()), tuple(egress.denyOut or ())
    policy = Policy(allowed, denied, internet, _proxy_of(egress.egressProxy))
    try:
        Rules(policy)
    except PolicyError as cause:
        raise BadRequestError(str(cause)) from None
    return policy


def _proxy_of(body: ProxyBody | None) -> EgressProxy | None:
    if body is None:
        return None
    try:
        return parse_proxy(body.address, body.username or "", body.password or "")
    except PolicyError as cause:
        raise BadRequestError(f"Invalid egress proxy config: {cause}") from None
