"""Who may use a sandbox's envd: holders of its token, and for one file, of a signature."""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Mapping

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from capibara6_sandbox.gateway.envd.errors import plain_error_response
from capibara6_sandbox.gateway.envd.sandbox import sandbox_of

TOKEN_HEADER = "X-Access-Token"  # noqa: S105 - the name of a header
_MOMENT = re.compile(r"-?[0-9]{1,18}")  # Unix seconds
SIGNED_OPERATIONS = {"GET": "read", "HEAD": "read", "POST": "write"}


class AccessMiddleware:
    """Lets through /health, requests with the token, and signed requests for /files."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 in the application's place, or hand over to it."""
        if scope["type"] == "http":
            problem = refusal(Request(scope), time.time())
            if problem is not None:
                await plain_error_response(401, problem)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def refusal(request: Request, now_s: float) -> str | None:
    """Return why a request is refused, in envd's words; None when it is not."""
    if request.url.path == "/health":
        return None
    token = sandbox_of(request).envd_access_token
    if not token:
        return None
    sent = request.headers.get(TOKEN_HEADER)
    if sent and hmac.compare_digest(sent.encode(), token.encode()):
        return None
    operation = SIGNED_OPERATIONS.get(request.method)
    if request.url.path != "/files" or operation is None:
        return (
            "unauthorized access, please provide a valid access token "
            "or method signing if supported"
        )
    if sent:
        return "access token present in header but does not match"
    return _signature_refusal(request.query_params, operation, token, now_s)


def _signature_refusal(
    query: Mapping[str, str], operation: str, token: str, now_s: float
) -> str | None:
    if "signature" not in query:
        return "missing signature query parameter"
    if not signature_matches(query, operation, token):
        return "invalid signature"
    expiration = query.get("signature_expiration")
    if expiration is not None and int(expiration) < int(now_s):
        return "signature is already expired"
    return None


def signature_matches(query: Mapping[str, str], operation: str, token: str) -> bool:
    """Whether a signed URL's query was signed with `token`, be it expired or not.

    Args:
        query: path, username, signature, signature_expiration, as far as they are there.
        operation: "read" for a download, "write" for an upload.
        token: an envd access token. Where the URL does not say which sandbox it is for, the one
            whose token matches is meant.
    """
    expiration = query.get("signature_expiration")
    if expiration is not None and not _MOMENT.fullmatch(expiration):
        return False
    expected = _signature(
        query.get("path", ""), operation, query.get("username", ""), token, expiration
    )
    return hmac.compare_digest(query.get("signature", "").encode(), expected.encode())


def _signature(path: str, operation: str, user: str, token: str, expiration: str | None) -> str:
    parts = [path, operation, user, token]
    if expiration is not None:
        parts.append(str(int(expiration)))
    digest = hashlib.sha256(":".join(parts).encode()).digest()
    return "v1_" + base64.b64encode(digest).rstrip(b"=").decode("ascii")
