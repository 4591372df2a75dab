"""The server's listening sockets, and HTTP or HTTPS on them."""

import asyncio
import contextlib
import functools
import socket
from collections.abc import AsyncIterator
from typing import Any, Final

import uvicorn

from capibara6_http.connections import Bounds
from capibara6_sandbox.gateway.certificates import Certificate
from capibara6_sandbox.gateway.connections import CuttableHttpProtocol


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket; port 0 takes any free one.

    Raises:
        OSError: the address is taken, or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # Accepted sockets inherit it. Without it, each small event waits 40 ms for the client's ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


# Longer than clients keep theirs (E2B's: 300), so that none sends a request while we close: such a
# request is lost. Whoever holds many idle ones has them closed when others need the places.
IDLE_S: Final = 330


@contextlib.asynccontextmanager
async def serving(
    app: Any, listener: socket.socket, bounds: Bounds, certificate: Certificate | None = None
) -> AsyncIterator[None]:
    """Serve an ASGI application inside the block: HTTPS if there is a certificate, else HTTP.

    Args:
        app: the application.
        listener: where clients come in.
        bounds: of clients; listeners of one server share them.
        certificate: of HTTPS.

    Raises:
        OSError: the certificate or its key cannot be read (ssl.SSLError among them).
    """
    config = uvicorn.Config(
        app,
        http=functools.partial(CuttableHttpProtocol, bounds=bounds),  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=2,
        server_header=False,
        ws="none",  # upgrades are for previews, which pass them on
        proxy_headers=False,  # anybody on this machine could be such a proxy
        ssl_certfile=str(certificate.chain) if certificate else None,
        ssl_keyfile=str(certificate.key) if certificate else None,
    )
    config.load()
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve([listener]))
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has no event
        await asyncio.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        await task
