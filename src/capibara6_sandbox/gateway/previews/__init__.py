"""Previews: any port that a service inside a sandbox listens on, through the gateway.

`app` tells the story of a request; `requests` and `replies` are the two directions of HTTP/1.1,
`upgrades` what follows a reply 101 (WebSockets among it), `pages` what the gateway itself answers.
"""

from capibara6_sandbox.gateway.previews.app import preview
from capibara6_sandbox.gateway.previews.pages import (
    port_closed,
    sandbox_not_found,
    token_refused,
)

__all__ = ["port_closed", "preview", "sandbox_not_found", "token_refused"]
