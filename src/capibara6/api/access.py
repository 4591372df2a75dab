"""Who may call: API keys, and on loopback only this machine's own callers.

A key, where one is configured, opens everything but the health check. Without keys the server
listens on loopback only, which every web page in the user's browser can reach as well; so a request
must name this machine as its host (else DNS rebinding) and must not be sent by another origin's
page (else cross-site requests), but for a user who follows a link here.
"""

import hmac
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from capibara6.api.faults import error_response
from capibara6.api.status import status_of
from capibara6.errors import AccessError
from capibara6_http.pages import is_foreign, is_visit

_OPEN_PATHS: Final = frozenset({"/api/health"})
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class KeyMiddleware:
    """Lets requests pass that carry one of the keys as `X-API-KEY`."""

    def __init__(self, app: ASGIApp, keys: Sequence[str]) -> None:
        self.app = app
        self._keys = tuple(key.encode() for key in keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""
        if scope["type"] != "http" or scope["path"] in _OPEN_PATHS or self._has_key(scope):
            await self.app(scope, receive, send)
            return
        error = AccessError()
        response = error_response(status_of(error), error.code, str(error))
        await response(scope, receive, send)

    def _has_key(self, scope: Scope) -> bool:
        given = Headers(scope=scope).get("x-api-key", "").encode()
        # All are compared, so that time tells neither which key matched nor how far.
        return sum(hmac.compare_digest(given, key) for key in self._keys) > 0


class LoopbackMiddleware:
    """Lets requests pass that address this machine by its own name, from none but its own pages."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403."""
        if scope["type"] != "http" or _is_from_here(scope["method"], Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        message = (
            "Only this machine may call: the Host header must be localhost or a loopback "
            "address, and a page's Origin this server's own. Configure API keys "
            "(CAPIBARA6_API_KEYS) to serve others."
        )
        await error_response(403, "foreign_host", message)(scope, receive, send)


def _is_from_here(method: str, headers: Headers) -> bool:
    """Whether this machine is meant, by a program, its own page, or a user who follows a link."""
    if _hostname(f"//{headers.get('host', '')}") not in _LOOPBACK_NAMES:
        return False
    return not is_foreign(headers) or is_visit(method, headers)


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
