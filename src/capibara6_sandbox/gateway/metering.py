"""What the holder of a key takes of this server: requests at once, requests and bytes in time.

Requests to a sandbox count for the key that it was created with. Beyond a limit the answer is
E2B's: 429 with `Retry-After`. A body that is under way is slowed down instead.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from capibara6_http.rates import Bucket
from capibara6_sandbox.host.key_records import KeyLimits

METERS_MAX: Final = 2_000  # keys whose use is remembered
SHARE: Final = 0.5  # of the server's connections, which one key may have in use
_BURST_S: Final = 2.0  # of requests and bytes at a stroke
_WAIT_S_MAX: Final = 5.0  # at a time, for a body that is under way


class Meter:
    """What one key takes."""

    def __init__(self, limits: KeyLimits) -> None:
        self.at_once = 0
        self.renew(limits)

    def renew(self, limits: KeyLimits) -> None:
        """Take other limits, with nothing used of them yet."""
        self.limits = limits
        self.requests = _bucket(limits.requests_s)
        self.bytes = _bucket(limits.bytes_s)

    def wait_s(self) -> float:
        """Return after how long another request may come; 0: now."""
        requests = self.requests.wait_s(1.0) if self.requests else 0.0
        size = self.bytes.wait_s() if self.bytes else 0.0
        return max(requests, size)


class Meters:
    """Serves requests within the limits of their keys.

    Args:
        limits_of: returns the limits of a key by its id.
        at_once_max: requests of one key that are served at a time.
    """

    def __init__(self, limits_of: Callable[[str], KeyLimits], at_once_max: int) -> None:
        self._limits_of = limits_of
        self._at_once_max = at_once_max
        self._meters: dict[str, Meter] = {}  # the one used longest ago is first

    async def serve(
        self, key_id: str, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve a request that counts for a key, or refuse it."""
        meter = self._meter(key_id)
        if meter.at_once >= self._at_once_max:
            text = f"{meter.at_once} requests of this key are being served, which is the limit."
            await _refusal(text, 1.0, meter)(scope, receive, send)
            return
        if wait_s := meter.wait_s():
            await _refusal("Rate limit exceeded", wait_s, meter)(scope, receive, send)
            return
        if meter.requests:
            meter.requests.take(1.0)
        meter.at_once += 1
        try:
            if meter.bytes:
                receive, send = _receiving(meter.bytes, receive), _sending(meter.bytes, send)
            await app(scope, receive, send)
        finally:
            meter.at_once -= 1

    def _meter(self, key_id: str) -> Meter:
        limits = self._limits_of(key_id)
        meter = self._meters.pop(key_id, None) or Meter(limits)
        if meter.limits != limits:
            meter.renew(limits)
        self._meters[key_id] = meter
        if len(self._meters) > METERS_MAX:
            idle = next((key for key, kept in self._meters.items() if not kept.at_once), key_id)
            if idle != key_id:
                del self._meters[idle]
        return meter


def _bucket(rate: float) -> Bucket | None:
    return Bucket(rate, max(1.0, rate * _BURST_S)) if rate else None


def _refusal(message: str, wait_s: float, meter: Meter) -> JSONResponse:
    headers = {"Retry-After": str(max(1, math.ceil(wait_s)))}
    if meter.requests:
        headers["RateLimit-Limit"] = str(int(meter.requests.burst))
        headers["RateLimit-Remaining"] = str(max(0, int(meter.requests.balance)))
        headers["RateLimit-Reset"] = str(math.ceil(meter.requests.wait_s(meter.requests.burst)))
    return JSONResponse({"code": 429, "message": message}, 429, headers)


def _receiving(bucket: Bucket, receive: Receive) -> Receive:
    async def received() -> Message:
        message = await receive()
        await _pay(bucket, message)
        return message

    return received


def _sending(bucket: Bucket, send: Send) -> Send:
    async def sent(message: Message) -> None:
        await _pay(bucket, message)
        await send(message)

    return sent


async def _pay(bucket: Bucket, message: Message) -> None:
    bucket.take(len(message.get("body", b"")))
    if message.get("more_body"):
        while (wait_s := bucket.wait_s()) > 0:  # noqa: ASYNC110 - time is what it waits for
            await asyncio.sleep(min(wait_s, _WAIT_S_MAX))
