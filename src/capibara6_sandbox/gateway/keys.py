"""Who may use the control plane: holders of a key of this server."""

import re
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from capibara6_sandbox.gateway.failures import error_response
from capibara6_sandbox.gateway.metering import Meters
from capibara6_sandbox.host.key_records import KeyRecord
from capibara6_sandbox.host.keys import KeyRing

CONTENT_PATH: Final = "/volumecontent/"
# An archive's upload is opened by the signature in its address: clients send no key with it.
_UPLOAD_PATH: Final = re.compile(r"/templates/[a-z0-9]+/files/[0-9a-f]{64}")
HOLDER: Final = "capibara6.key"  # in a request's scope


class KeyMiddleware:
    """Lets through what carries a key as X-API-KEY (or as bearer token, as the CLI sends), or asks
    for the server's health; each within what its key may take."""  # noqa: D209, D205

    def __init__(self, app: ASGIApp, keys: KeyRing, meters: Meters) -> None:
        self._app = app
        self._keys = keys
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        if scope["type"] != "http" or _opened_otherwise(scope):
            await self._app(scope, receive, send)
            return
        holder = self._keys.find(given_key(Headers(scope=scope)))
        if holder is None:
            refusal = error_response(401, "The API key is missing or wrong. Send it as X-API-KEY.")
            await refusal(scope, receive, send)
            return
        scope[HOLDER] = holder
        await self._meters.serve(holder.id, self._app, scope, receive, send)


def _opened_otherwise(scope: Scope) -> bool:
    path: str = scope["path"]
    return (
        path == "/health"
        or path.startswith(CONTENT_PATH)  # which asks for the volume's own token
        or (scope["method"] == "PUT" and _UPLOAD_PATH.fullmatch(path) is not None)
    )


def given_key(headers: Headers) -> str:
    """Return the key that a request carries; "" for none."""
    bearer = headers.get("authorization", "").removeprefix("Bearer ")
    return headers.get("x-api-key") or bearer


def holder_of(request: Request) -> KeyRecord:
    """Return the key with which a request was let through."""
    holder: KeyRecord = request.scope[HOLDER]
    return holder


def team_of(request: Request) -> str:
    """Return the team for which a request asks."""
    return holder_of(request).team
