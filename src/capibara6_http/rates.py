"""How much may pass in the long run: a bucket that fills steadily, and is taken from."""

import time
from collections.abc import Callable


class Bucket:
    """A balance that grows by `rate` a second, up to `burst`; it may be overdrawn.

    Args:
        rate: what is added a second.
        burst: the most that is there at a time, and at the beginning.
        now_s: a clock that never goes back.
    """

    def __init__(
        self, rate: float, burst: float, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._now_s = now_s
        self._balance = burst
        self._at_s = now_s()
        self.burst = burst

    @property
    def balance(self) -> float:
        """What is there now; below 0 it is overdrawn."""
        now_s = self._now_s()
        self._balance = min(self.burst, self._balance + (now_s - self._at_s) * self._rate)
        self._at_s = now_s
        return self._balance

    def take(self, amount: float) -> None:
        """Take an amount, be it there or not."""
        self._balance = self.balance - amount

    def wait_s(self, amount: float = 0.0) -> float:
        """Return in how many seconds an amount will be there; 0: it is."""
        return max(0.0, (amount - self.balance) / self._rate)
