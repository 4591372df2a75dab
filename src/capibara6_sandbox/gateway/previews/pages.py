"""What the gateway itself answers on the data plane: E2B's JSON, or a page for a browser.

Statuses, messages and the choice between the two are those of E2B's own proxy.
"""

import html
import re
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response

TOKEN_HEADER: Final = "e2b-traffic-access-token"  # noqa: S105 - the name of a header
_BROWSERS: Final = re.compile(r"mozilla|chrome|safari|firefox|edge|opera|msie", re.IGNORECASE)
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui; max-width: 38rem; margin: 15vh auto; padding: 0 1rem }}
h1 {{ font-size: 1.25rem }}
p + p {{ color: GrayText }}
</style>
</head>
<body><h1>{title}</h1><p>{message}</p><p>{help}</p></body>
</html>
"""


def sandbox_not_found(sandbox_id: str, headers: Headers) -> Response:
    """Answer for a sandbox that does not run."""
    body = {"sandboxId": sandbox_id, "message": "The sandbox was not found", "code": 502}
    return _answer(body, headers, "Sandbox not found", "It may have ended, or is paused.")


def port_closed(sandbox_id: str, port: int, headers: Headers) -> Response:
    """Answer where no service listens."""
    message = "The sandbox is running but port is not open"
    body = {"sandboxId": sandbox_id, "message": message, "port": port, "code": 502}
    return _answer(
        body, headers, f"Port {port} is not open", "Is the service running, on this port?"
    )


def token_refused(sandbox_id: str, headers: Headers) -> Response:
    """Answer without the traffic token, or with a wrong one."""
    if headers.get(TOKEN_HEADER):
        problem = f"Provided token in header '{TOKEN_HEADER}' is invalid"
    else:
        problem = f"Token header '{TOKEN_HEADER}' is missing"
    message = f"Sandbox is secured with traffic access token. {problem}"
    body = {"sandboxId": sandbox_id, "message": message, "code": 403}
    return _answer(body, headers, "Access denied", "The sandbox allows no public traffic.")


def too_many_connections(sandbox_id: str, limit: int, headers: Headers) -> Response:
    """Answer when the sandbox has all the connections that it may have."""
    message = f"The sandbox has too many concurrent incoming connections (limit: {limit})"
    body = {"sandboxId": sandbox_id, "message": message, "code": 429, "connectionLimit": limit}
    return _answer(body, headers, "Too many connections", "Try again when some have ended.")


def service_broke_off(sandbox_id: str, why: str, headers: Headers) -> Response:
    """Answer when what the service sent is no reply."""
    body = {"sandboxId": sandbox_id, "message": f"The service gave no reply: {why}", "code": 502}
    return _answer(body, headers, "No reply", "The service accepted the connection.")


def _answer(body: dict[str, Any], headers: Headers, title: str, advice: str) -> Response:
    if not _wants_page(headers):
        return JSONResponse(body, body["code"])
    texts = {"title": title, "message": str(body["message"]), "help": advice}
    page = _PAGE.format(**{name: html.escape(text) for name, text in texts.items()})
    return HTMLResponse(page, body["code"])


def _wants_page(headers: Headers) -> bool:
    """Whether a browser navigates here; its scripts, which parse what they get, do not."""
    accepted = headers.get("accept", "").lower()
    if "application/json" in accepted and "text/html" not in accepted:
        return False
    mode = headers.get("sec-fetch-mode", "").lower()
    if mode in {"cors", "no-cors", "same-origin", "websocket"}:
        return False
    if mode != "navigate" and headers.get("x-requested-with"):
        return False
    return _BROWSERS.search(headers.get("user-agent", "")) is not None
