"""When the time of each running sandbox is up."""

import asyncio
from collections.abc import Callable

from capibara6_sandbox.host.sandbox import Sandbox


class Deadlines:
    """Timers of sandboxes, one each.

    Args:
        expired: is called when a sandbox's time is over.
    """

    def __init__(self, expired: Callable[[Sandbox], object]) -> None:
        self._expired = expired
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def set(self, sandbox: Sandbox) -> None:
        """Call back when a sandbox's time of now is over, and at no other moment."""
        self.cancel(sandbox)
        delay_s = max(0.0, sandbox.remaining_s)
        timer = asyncio.get_running_loop().call_later(delay_s, self._fire, sandbox)
        self._timers[sandbox.id] = timer

    def renew(self, sandbox: Sandbox) -> None:
        """Take a new end into account; what has no timer stands still."""
        if sandbox.id in self._timers:
            self.set(sandbox)

    def cancel(self, sandbox: Sandbox) -> None:
        """Never call back. Idempotent."""
        timer = self._timers.pop(sandbox.id, None)
        if timer is not None:
            timer.cancel()

    def _fire(self, sandbox: Sandbox) -> None:
        if sandbox.remaining_s > 0:  # the loop's timers may be early by their resolution
            self.set(sandbox)
        else:
            self._expired(sandbox)
