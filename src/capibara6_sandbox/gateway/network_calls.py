"""What a sandbox may reach, as clients say it: read, checked, and changed while it runs."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from capibara6_sandbox.errors import BadRequestError
from capibara6_sandbox.gateway.bodies import read_model
from capibara6_sandbox.gateway.control_bodies import Egress, NetworkUpdate
from capibara6_sandbox.gateway.life_calls import path_id
from capibara6_sandbox.host.keeper import Keeper
from capibara6_sandbox.network.policy import Policy, PolicyError, Rules


class NetworkCalls:
    """The endpoints."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("/sandboxes/{id}/network", self.update, methods=["PUT"])]

    async def update(self, request: Request) -> Response:
        """Replace what a running sandbox may reach; what is left out is cleared."""
        sandbox = self._keeper.get(path_id(request))
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
    if egress.egressProxy:
        raise BadRequestError("egressProxy: this server has no egress proxy; leave it out.")
    policy = Policy(tuple(egress.allowOut or ()), tuple(egress.denyOut or ()), internet)
    try:
        Rules(policy)
    except PolicyError as cause:
        raise BadRequestError(str(cause)) from None
    return policy
