"""The Connect protocol's calls: unary ones, and streams in either direction.

https://connectrpc.com/docs/protocol/
"""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Scope

from capibara6_guest.wire import CallError
from capibara6_http.room import NoRoomError, hold
from capibara6_sandbox.gateway.envd.disconnects import unless_disconnected
from capibara6_sandbox.gateway.envd.envelopes import MESSAGE_BYTES_MAX, envelopes, too_large
from capibara6_sandbox.gateway.envd.errors import connect_error_response, sandbox_lost_response
from capibara6_sandbox.gateway.envd.messages import Message, parse
from capibara6_sandbox.gateway.envd.sandbox import EnvdSandbox, sandbox_of
from capibara6_sandbox.gateway.envd.streams import (
    LiveReply,
    Messages,
    StreamReply,
    stream_error_response,
)
from capibara6_sandbox.host.guest_client import GuestLostError

KEEPALIVE_S = 90.0
_CLIENT_LEFT = 499  # nginx's number for it; nobody reads the reply


@dataclass(frozen=True, slots=True)
class RpcCall:
    """A call, as the services see it."""

    sandbox: EnvdSandbox
    user: str
    message: Message
    timeout_s: float | None


Unary = Callable[[RpcCall], Coroutine[Any, Any, dict[str, Any]]]
ServerStream = Callable[[RpcCall], Messages]
ClientStream = Callable[[RpcCall, AsyncIterator[Message]], Coroutine[Any, Any, dict[str, Any]]]
Endpoint = Callable[[Request], Coroutine[Any, Any, ASGIApp]]


def unary(handler: Unary) -> Endpoint:
    """Serve a call of one message with one message."""

    async def endpoint(request: Request) -> Response:
        try:
            call = _call(request, parse(await _whole_body(request)))
            work = unless_disconnected(request.receive, handler(call))
            return JSONResponse(await _in_time(work, call.timeout_s))
        except CallError as failure:
            return connect_error_response(failure)
        except GuestLostError:
            return sandbox_lost_response(sandbox_of(request).id)
        except ClientDisconnect:
            return Response(status_code=_CLIENT_LEFT)

    return endpoint


def server_stream(handler: ServerStream, keepalive: dict[str, Any]) -> Endpoint:
    """Serve a call of one message with a stream; `keepalive` fills its silences."""

    async def endpoint(request: Request) -> ASGIApp:
        try:
            stream = handler(_call(request, await _only_message(request)))
        except CallError as failure:
            return stream_error_response(failure)
        except ClientDisconnect:
            return Response(status_code=_CLIENT_LEFT)
        return LiveReply(stream, keepalive, _keepalive_s(request))

    return endpoint


def client_stream(handler: ClientStream) -> Endpoint:
    """Serve a stream of messages with one message."""

    async def reply(request: Request) -> Messages:
        call = _call(request, Message({}))
        yield await _in_time(handler(call, envelopes(request.stream())), call.timeout_s)

    async def endpoint(request: Request) -> ASGIApp:
        return StreamReply(reply(request))

    return endpoint


def basic_user(header: str | None) -> str | None:
    """Return the user that a Basic Authorization header names; None when it names nobody."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, _ = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return name if colon else None


def _call(request: Request, message: Message) -> RpcCall:
    sandbox = sandbox_of(request)
    return RpcCall(
        sandbox=sandbox,
        user=basic_user(request.headers.get("Authorization")) or sandbox.default_user,
        message=message,
        timeout_s=_timeout_s(request.headers.get("Connect-Timeout-Ms", "")),
    )


def _timeout_s(header: str) -> float | None:
    if not header:
        return None
    if not header.isdecimal() or len(header) > 10:
        raise CallError("invalid_argument", f"Connect-Timeout-Ms must be milliseconds: {header!r}")
    return int(header) / 1000 or None


def _keepalive_s(request: Request) -> float:
    header = request.headers.get("Keepalive-Ping-Interval", "")
    given = header.isdecimal() and len(header) <= 5 and int(header) > 0
    return float(header) if given else KEEPALIVE_S


async def _in_time(
    work: Coroutine[Any, Any, dict[str, Any]], timeout_s: float | None
) -> dict[str, Any]:
    try:
        async with asyncio.timeout(timeout_s):
            return await work
    except TimeoutError:
        raise CallError("deadline_exceeded", f"not done after {timeout_s} s") from None


async def _whole_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        hold_for_call(request.scope, len(chunk))
        if len(body) > MESSAGE_BYTES_MAX:
            raise too_large(len(body))
    return bytes(body)


async def _held(request: Request) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        hold_for_call(request.scope, len(chunk))
        yield chunk


def hold_for_call(scope: Scope, size: int) -> None:
    """Hold bytes of a call's message.

    Raises:
        CallError: unavailable when there is no room for them.
    """
    try:
        hold(scope, size)
    except NoRoomError as cause:
        raise CallError("unavailable", str(cause)) from None


async def _only_message(request: Request) -> Message:
    only: Message | None = None
    async for message in envelopes(_held(request)):
        if only is not None:
            raise CallError("invalid_argument", "one message expected, but there are more")
        only = message
    if only is None:
        raise CallError("invalid_argument", "one message expected, but there is none")
    return only
