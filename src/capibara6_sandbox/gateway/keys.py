"""Who may use the control plane: holders of the server's API key."""

import hmac
import re
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from capibara6_sandbox.gateway.failures import error_response
from capibara6_sandbox.gateway.volumes import CONTENT_PATH

# An archive's upload is opened by the signature in its address: clients send no key with it.
_UPLOAD_PATH: Final = re.compile(r"/templates/[a-z0-9]+/files/[0-9a-f]{64}")


class KeyMiddleware:
    """Lets through what carries the right X-API-KEY (or bearer token, as the CLI sends), or asks
    for the server's health."""  # noqa: D209, D205

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        if (
            scope["type"] != "http"
            or scope["path"] == "/health"
            or scope["path"].startswith(CONTENT_PATH)  # which asks for the volume's own token
            or (scope["method"] == "PUT" and _UPLOAD_PATH.fullmatch(scope["path"]))
            or self._opens(Headers(scope=scope))
        ):
            await self._app(scope, receive, send)
            return
        refusal = error_response(401, "The API key is missing or wrong. Send it as X-API-KEY.")
        await refusal(scope, receive, send)

    def _opens(self, headers: Headers) -> bool:
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        given = (headers.get("x-api-key") or bearer).encode()
        return hmac.compare_digest(given, self._key)
