"""The control plane's calls that copy sandboxes: snapshots and forks."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from capibara6_sandbox.errors import ConflictError
from capibara6_sandbox.gateway.bodies import read_model
from capibara6_sandbox.gateway.control_bodies import ForkBody, SnapshotBody
from capibara6_sandbox.gateway.descriptions import handle
from capibara6_sandbox.gateway.failures import STATUSES
from capibara6_sandbox.gateway.keys import team_of
from capibara6_sandbox.gateway.life_calls import check_timeout, sandbox_id
from capibara6_sandbox.gateway.listing import Page, cut_page
from capibara6_sandbox.host.copies import Copies, Outcome
from capibara6_sandbox.host.keeper import Keeper
from capibara6_sandbox.host.records import SnapshotRecord
from capibara6_sandbox.host.sandbox import Sandbox
from capibara6_sandbox.host.snapshots import public_id


class CopyCalls:
    """The endpoints.

    Args:
        copies: makes them.
        keeper: all sandboxes.
        domain: what sandboxes report as theirs.
        timeout_s_max: the longest lifetime that may be asked for; 0 for no limit.
    """

    def __init__(self, copies: Copies, keeper: Keeper, domain: str, timeout_s_max: int) -> None:
        self._copies = copies
        self._keeper = keeper
        self._domain = domain
        self._timeout_s_max = timeout_s_max

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/sandboxes/{id}/snapshots", self.take, methods=["POST"]),
            Route("/sandboxes/{id}/fork", self.fork, methods=["POST"]),
            Route("/snapshots", self.list, methods=["GET"]),
        ]

    async def take(self, request: Request) -> Response:
        """Make a snapshot of a running sandbox."""
        sandbox = self._keeper.get(sandbox_id(request), team_of(request))
        body = await read_model(request, SnapshotBody)
        return JSONResponse(_describe(await self._copies.take(sandbox, body.name)), 201)

    async def list(self, request: Request) -> Response:
        """List snapshots by sandbox and name, page by page, newest first."""
        query = request.query_params
        page = Page.from_query(query)
        found = self._copies.snapshots.select(
            query.get("sandboxID", ""), query.get("name", ""), team_of(request)
        )
        chosen, token = cut_page(found, lambda record: (record.created_at, record.id), page)
        headers = {"x-next-token": token} if token else {}
        return JSONResponse([_describe(record) for record in chosen], headers=headers)

    async def fork(self, request: Request) -> Response:
        """Start copies of a running sandbox, and tell of each whether it started."""
        sandbox = self._keeper.find(sandbox_id(request), team_of(request))
        body = await read_model(request, ForkBody)
        check_timeout(body.timeout, self._timeout_s_max)
        if sandbox.visible_state == "paused":
            text = f"Sandbox '{sandbox.id}' is paused and cannot be forked; resume it first"
            raise ConflictError(text)
        outcomes = await self._copies.fork(sandbox, body.timeout, body.count)
        return JSONResponse([self._outcome(outcome) for outcome in outcomes], 201)

    def _outcome(self, outcome: Outcome) -> dict[str, Any]:
        if isinstance(outcome, Sandbox):
            return {"sandbox": handle(outcome, self._domain)}
        return {"error": {"code": STATUSES[type(outcome)], "message": str(outcome)}}


def _describe(record: SnapshotRecord) -> dict[str, Any]:
    return {
        "snapshotID": public_id(record),
        "names": [record.name] if record.name else [],
    }
