"""What web pages may ask of this server: nothing that changes anything, unless they were allowed.

No page has rights here without a key, a token or a signature of its own; this keeps out, before any
of these is looked at, what a page of somebody else's has a browser send. Pages of allowed origins
are served as E2B's cloud serves all pages (CORS: https://fetch.spec.whatwg.org/#http-cors-protocol).
"""

from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from capibara6_http.pages import READING, is_foreign
from capibara6_sandbox.gateway.failures import error_response

ANY_ORIGIN: Final = "*"
_METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE"
_EXPOSED: Final = (
    "X-Next-Token, X-Total-Running, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, "
    "Retry-After, Content-Range, Content-Disposition"
)
_REMEMBERED_S: Final = "7200"
_REFUSAL: Final = (
    "A page of another origin ({origin}) may not ask for this. "
    "Start the server with --allow-origin to let it."
)


class PageGuard:
    """Refuses what pages of other origins send, but for those of allowed origins.

    Args:
        app: what is guarded.
        origins: of pages that may ask, such as "https://app.example"; `ANY_ORIGIN` for all.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str] = ()) -> None:
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        if origin and (ANY_ORIGIN in self._origins or origin in self._origins):
            if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                await _preflight(origin, headers)(scope, receive, send)
                return
            await self._app(scope, receive, _shared(send, origin))
            return
        if _harmless(scope) or not is_foreign(headers):
            await self._app(scope, receive, send)
            return
        told = _REFUSAL.format(origin=origin[:200] or headers.get("sec-fetch-site"))
        await error_response(403, told)(scope, receive, send)


def _harmless(scope: Scope) -> bool:
    """Whether a request changes nothing, or carries the right to what it does in its address."""
    if scope["method"] in READING:
        return True
    signed = "signature" in QueryParams(scope.get("query_string", b""))
    return signed and scope["method"] == "POST" and scope["path"] == "/files"


def _preflight(origin: str, headers: Headers) -> Response:
    wanted = headers.get("access-control-request-headers", "")
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": wanted,
            "Access-Control-Max-Age": _REMEMBERED_S,
            "Vary": "Origin",
        },
    )


def _shared(send: Send, origin: str) -> Send:
    async def shared(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = _EXPOSED
            headers.append("Vary", "Origin")
        await send(message)

    return shared
