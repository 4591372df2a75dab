"""Calls that a client may repeat without being served twice, by the key that it sends with them."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request

from capibara6_sandbox.errors import BadRequestError, RepeatMismatchError

KEYS_MAX: Final = 10_000  # the oldest give way
KEPT_S: Final = 24 * 3600.0
_KEY: Final = re.compile(r"[a-z0-9-]{1,255}")

Reply = dict[str, Any]


def idempotency_key(request: Request) -> str:
    """Return a request's key; "" if it has none.

    Raises:
        BadRequestError: a key that no SDK sends.
    """
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        allowed = "1 to 255 lowercase letters, digits and hyphens"
        raise BadRequestError(f"Idempotency-Key must be {allowed}, not {key[:80]!r}")
    return key or ""


@dataclass(frozen=True, slots=True)
class _Served:
    """What a key stands for."""

    asked: str
    work: "asyncio.Task[Reply]"
    since_s: float


class Repeats:
    """Remembers replies by keys, for `KEPT_S`.

    Args:
        now_s: a clock that never goes back.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._served: dict[str, _Served] = {}  # oldest first

    async def once(self, key: str, asked: str, serve: Callable[[], Awaitable[Reply]]) -> Reply:
        """Serve a call, or give what the first call with its key got, or is about to get.

        A call that failed leaves nothing behind: its repetition is served anew.

        Args:
            key: of the call; "" is served always.
            asked: what was asked for; it must be the same each time.
            serve: does the work.

        Raises:
            RepeatMismatchError: the key was used for something else.
        """
        if not key:
            return await serve()
        self._forget_old()
        known = self._served.get(key)
        if known is None:
            known = self._begin(key, asked, serve)
        elif known.asked != asked:
            raise RepeatMismatchError(f"Idempotency-Key {key!r} was used for another request")
        return await asyncio.shield(known.work)  # whoever leaves, the others wait for it

    def _begin(self, key: str, asked: str, serve: Callable[[], Awaitable[Reply]]) -> _Served:
        async def work() -> Reply:
            return await serve()

        task = asyncio.create_task(work())
        begun = self._served[key] = _Served(asked, task, self._now_s())
        task.add_done_callback(lambda done: self._settle(key, begun, done))
        return begun

    def _settle(self, key: str, begun: _Served, done: "asyncio.Task[Reply]") -> None:
        failed = done.cancelled() or done.exception() is not None
        if failed and self._served.get(key) is begun:
            del self._served[key]

    def _forget_old(self) -> None:
        limit_s = self._now_s() - KEPT_S
        for key, served in list(self._served.items()):
            if served.since_s >= limit_s and len(self._served) < KEYS_MAX:
                return
            del self._served[key]
