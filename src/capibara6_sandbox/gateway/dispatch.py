"""Which application serves a request: the control plane, or one port of one sandbox.

A sandbox is named by the headers E2b-Sandbox-Id and E2b-Sandbox-Port, which every SDK sends, or by
a host name of the form <port>-<id>.<domain>. A signed URL for a file can name none: then it is for
the sandbox whose token made the signature.
"""

import hmac
import re
from typing import Final

from starlette.datastructures import Headers, QueryParams
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from capibara6_sandbox.errors import NotFoundError, StartError
from capibara6_sandbox.gateway.envd import SIGNED_OPERATIONS, signature_matches
from capibara6_sandbox.gateway.failures import sandbox_gone
from capibara6_sandbox.host.keeper import Keeper
from capibara6_sandbox.host.sandbox import Sandbox

ENVD_PORT: Final = 49983
CODE_INTERPRETER_PORT: Final = 49999
_HOST_NAME: Final = re.compile(r"^(\d{1,5})-([a-z0-9]+)\.")


class Dispatcher:
    """The outermost application."""

    def __init__(
        self, keeper: Keeper, control: ASGIApp, envd: ASGIApp, code_interpreter: ASGIApp
    ) -> None:
        self._keeper = keeper
        self._control = control
        self._ports = {ENVD_PORT: envd, CODE_INTERPRETER_PORT: code_interpreter}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        target = _target(headers) or self._signer(scope)
        if target is None:
            await self._control(scope, receive, send)
            return
        port, sandbox_id = target
        try:
            sandbox = await self._keeper.reach(sandbox_id)
        except (NotFoundError, StartError):
            await sandbox_gone(sandbox_id)(scope, receive, send)
            return
        await self._choose(sandbox, port, headers)({**scope, "sandbox": sandbox}, receive, send)

    def _signer(self, scope: Scope) -> tuple[int, str] | None:
        query = QueryParams(scope.get("query_string", b""))
        operation = SIGNED_OPERATIONS.get(scope["method"])
        if scope["path"] != "/files" or operation is None or "signature" not in query:
            return None
        for sandbox in self._keeper.all():
            token = sandbox.envd_access_token
            if token and signature_matches(query, operation, token):
                return ENVD_PORT, sandbox.id
        return None

    def _choose(self, sandbox: Sandbox, port: int, headers: Headers) -> ASGIApp:
        if port != ENVD_PORT and not _may_pass(sandbox, headers):
            return _refusal(403, sandbox.id, "The traffic access token is missing or wrong")
        has_kernels = sandbox.template.environment.has_kernels
        app = self._ports.get(port)
        if app is None or (port == CODE_INTERPRETER_PORT and not has_kernels):
            text = f"The sandbox is running but port is not open: {port}"
            return _refusal(502, sandbox.id, text)
        return app


def _target(headers: Headers) -> tuple[int, str] | None:
    sandbox_id = headers.get("e2b-sandbox-id")
    port = headers.get("e2b-sandbox-port", str(ENVD_PORT))
    if sandbox_id and port.isdecimal():
        return int(port), sandbox_id
    named = _HOST_NAME.match(headers.get("host", ""))
    return (int(named[1]), named[2]) if named else None


def _may_pass(sandbox: Sandbox, headers: Headers) -> bool:
    given = headers.get("e2b-traffic-access-token", "")
    return hmac.compare_digest(given.encode(), sandbox.traffic_access_token.encode()) or (
        not sandbox.traffic_access_token
    )


def _refusal(status: int, sandbox_id: str, message: str) -> ASGIApp:
    return JSONResponse({"sandboxId": sandbox_id, "message": message, "code": status}, status)
