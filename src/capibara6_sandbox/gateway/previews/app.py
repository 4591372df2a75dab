"""One request to a port of a sandbox, from its head to the end of its reply."""

import asyncio
import contextlib

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from capibara6_sandbox.gateway.connections import cut
from capibara6_sandbox.gateway.previews import pages, upgrades
from capibara6_sandbox.gateway.previews.replies import Reply, ReplyError
from capibara6_sandbox.gateway.previews.requests import PreviewRequest, preview_request, send_body
from capibara6_sandbox.host.guest_client import GuestLostError
from capibara6_sandbox.host.sandbox import Sandbox
from capibara6_sandbox.host.tunnels import (
    TUNNELS_MAX,
    PortClosedError,
    TooManyTunnelsError,
    Tunnel,
)


async def preview(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a request by the service on `scope["port"]` of `scope["sandbox"]` (ASGI)."""
    sandbox: Sandbox = scope["sandbox"]
    port: int = scope["port"]
    headers = Headers(scope=scope)
    try:
        tunnel = await sandbox.tunnels.open(port)
    except PortClosedError:
        refusal = pages.port_closed(sandbox.id, port, headers)
    except TooManyTunnelsError:
        refusal = pages.too_many_connections(sandbox.id, TUNNELS_MAX, headers)
    except GuestLostError:
        refusal = pages.sandbox_not_found(sandbox.id, headers)
    else:
        with tunnel:
            if port in sandbox.request.https_ports and not await _secured(tunnel):
                refused = "it does not speak TLS"
                await pages.service_broke_off(sandbox.id, refused, headers)(scope, receive, send)
                return
            request = preview_request(scope, port, sandbox.request.mask_request_host)
            await _exchange(scope, receive, send, tunnel, request)
        return
    await refusal(scope, receive, send)


async def _secured(tunnel: Tunnel) -> bool:
    try:
        await tunnel.secure()
    except (OSError, TimeoutError):
        return False
    return True


async def _exchange(
    scope: Scope, receive: Receive, send: Send, tunnel: Tunnel, request: PreviewRequest
) -> None:
    """Pass both directions on until the reply is complete, or either side has left."""
    asking = asyncio.create_task(_ask(receive, tunnel, request))
    answering = asyncio.create_task(_answer(scope, receive, send, tunnel, request))
    try:
        await asyncio.wait({asking, answering}, return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            answering.result()
        else:
            asking.result()  # the client has left, or this fails
    finally:
        asking.cancel()
        answering.cancel()
        await asyncio.wait({asking, answering})


async def _ask(receive: Receive, tunnel: Tunnel, request: PreviewRequest) -> None:
    with contextlib.suppress(OSError):  # the reply's end tells
        await tunnel.send(request.head)
    await send_body(receive, tunnel, chunked=request.chunked)


async def _answer(
    scope: Scope, receive: Receive, send: Send, tunnel: Tunnel, request: PreviewRequest
) -> None:
    reply = Reply(request.method)
    try:
        await _pass_on(reply, scope, send, tunnel, upgrade=bool(request.upgrade))
    except ReplyError as cause:
        if reply.started:
            cut(scope)
            return
        sandbox: Sandbox = scope["sandbox"]
        headers = Headers(scope=scope)
        refusal = (
            pages.sandbox_not_found(sandbox.id, headers)
            if tunnel.cut_off
            else pages.service_broke_off(sandbox.id, str(cause), headers)
        )
        await refusal(scope, receive, send)


async def _pass_on(
    reply: Reply, scope: Scope, send: Send, tunnel: Tunnel, *, upgrade: bool
) -> None:
    """Pass a reply on as it comes, to its end.

    Raises:
        ReplyError: it has none, or is none.
    """
    sandbox: Sandbox = scope["sandbox"]
    while not reply.complete:
        data = await _received(tunnel)
        lost = tunnel.cut_off or not sandbox.has_machine
        pieces = reply.feed(data) if data else reply.end(whole=not lost)
        if reply.rest is not None:
            if not upgrade:
                raise ReplyError("it changes to a protocol that nobody asked for")
            await upgrades.relay(scope, tunnel, reply.switch())
            return
        if reply.status and not reply.started:
            await send(reply.start())
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _received(tunnel: Tunnel) -> bytes:
    try:
        return await tunnel.receive()
    except OSError as cause:
        raise ReplyError(f"the connection was lost ({cause.strerror})") from None
