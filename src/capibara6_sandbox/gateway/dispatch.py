"""Which application serves a request: the control plane, or one port of one sandbox.

A sandbox is named by the headers E2b-Sandbox-Id and E2b-Sandbox-Port, or by a host name of the form
<port>-<id>.<domain>. Two kinds of request can name none: a signed URL for a file, which is for the
sandbox whose token made the signature; and what SDKs before the summer of 2026 send after
`Sandbox.connect`, which is for the sandbox whose token they carry. The same SDKs name a sandbox
when they ask the control plane to connect to it.
"""

import hmac
from typing import Final

from starlette.datastructures import Headers, QueryParams
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from capibara6_sandbox.errors import NotFoundError, StartError
from capibara6_sandbox.gateway import previews
from capibara6_sandbox.gateway.envd import SIGNED_OPERATIONS, signature_matches
from capibara6_sandbox.gateway.hosts import PORT_MAX, Hosts
from capibara6_sandbox.gateway.metering import Meters
from capibara6_sandbox.host.keeper import Keeper
from capibara6_sandbox.host.sandbox import Sandbox

ENVD_PORT: Final = 49983
CODE_INTERPRETER_PORT: Final = 49999
_CONTROL_PATHS: Final = ("/sandboxes/", "/v2/sandboxes/")  # envd has none like them
_ENDED: Final = "unknown"  # stands for the sandbox of a token that none of ours has
_DIGITS_MAX: Final = 6
_UNKNOWN_HOST: Final = PlainTextResponse(
    "Invalid host. This server answers to addresses, localhost and its --domain; "
    "other names are given with --allow-host.",
    400,
)


class Dispatcher:
    """The outermost application."""

    def __init__(
        self,
        keeper: Keeper,
        hosts: Hosts,
        meters: Meters,
        *,
        control: ASGIApp,
        envd: ASGIApp,
        code_interpreter: ASGIApp,
    ) -> None:
        self._keeper = keeper
        self._hosts = hosts
        self._meters = meters
        self._control = control
        self._ports = {ENVD_PORT: envd, CODE_INTERPRETER_PORT: code_interpreter}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        if not self._hosts.knows(headers.get("host", "")):
            await _UNKNOWN_HOST(scope, receive, send)
            return
        named = self._hosts.target(headers.get("host", ""))
        target = named or _headed(headers) or self._signer(scope) or self._holder(headers)
        if target is None or (named is None and _is_control(target, scope["path"])):
            await self._control(scope, receive, send)
            return
        port, sandbox_id = target
        if not 0 < port <= PORT_MAX:
            await PlainTextResponse("Invalid sandbox port", 400)(scope, receive, send)
            return
        try:
            sandbox = await self._keeper.reach(sandbox_id)
        except (NotFoundError, StartError):
            await previews.sandbox_not_found(sandbox_id, headers)(scope, receive, send)
            return
        app = self._choose(sandbox, port, headers)
        reached = {**scope, "sandbox": sandbox, "port": port}
        await self._meters.serve(sandbox.request.key_id, app, reached, receive, send)

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

    def _holder(self, headers: Headers) -> tuple[int, str] | None:
        given = headers.get("x-access-token", "").encode()
        if not given or "x-api-key" in headers:
            return None
        for sandbox in self._keeper.all():
            token = sandbox.envd_access_token
            if token and hmac.compare_digest(given, token.encode()):
                return ENVD_PORT, sandbox.id
        return ENVD_PORT, _ENDED

    def _choose(self, sandbox: Sandbox, port: int, headers: Headers) -> ASGIApp:
        if port != ENVD_PORT and not _may_pass(sandbox, headers):
            return previews.token_refused(sandbox.id, headers)
        has_kernels = sandbox.template.environment.has_kernels
        if port == CODE_INTERPRETER_PORT and not has_kernels:
            return previews.port_closed(sandbox.id, port, headers)
        return self._ports.get(port, previews.preview)


def _headed(headers: Headers) -> tuple[int, str] | None:
    """Return what headers name; where the host's name does, a page behind it cannot change it."""
    sandbox_id = headers.get("e2b-sandbox-id")
    port = headers.get("e2b-sandbox-port", str(ENVD_PORT))
    if sandbox_id and port.isdecimal():
        return int(port[:_DIGITS_MAX]), sandbox_id
    return None


def _is_control(target: tuple[int, str], path: str) -> bool:
    return target[0] == ENVD_PORT and path.startswith(_CONTROL_PATHS)


def _may_pass(sandbox: Sandbox, headers: Headers) -> bool:
    given = headers.get("e2b-traffic-access-token", "")
    return hmac.compare_digest(given.encode(), sandbox.traffic_access_token.encode()) or (
        not sandbox.traffic_access_token
    )
