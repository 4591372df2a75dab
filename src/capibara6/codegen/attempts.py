"""How one request to an endpoint fails, and whether it is tried again.

The adapter of the endpoint raises `AttemptFailed`; the writer waits and tries again, or raises the
platform's own error.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from capibara6.codegen.tiers import ModelTier
from capibara6.errors import ModelBusyError, ModelError, ModelReplyError, ModelUnreachableError


class FailureKind(Enum):
    """What went wrong with one request."""

    NO_CONNECTION = "no_connection"  # nothing there, or the server failed (5xx)
    BUSY = "busy"  # 429, 503: lack of capacity or quota
    NO_QUOTA = "no_quota"  # 429 that no waiting mends
    SLOW = "slow"  # no first token in time
    REFUSED = "refused"  # wrong key, no such model
    CUT = "cut"  # the stream ended before the answer did
    UNUSABLE = "unusable"  # an answer that is none


class AttemptFailed(Exception):  # noqa: N818 - it is caught within the package, never shown
    """One request failed. `cause` holds no key."""

    def __init__(self, kind: FailureKind, cause: str, retry_after_s: float | None = None) -> None:
        self.kind = kind
        self.cause = cause
        self.retry_after_s = retry_after_s
        super().__init__(cause)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a request is tried again."""

    attempts_max: int = 4
    cut_attempts_max: int = 2  # whole answers are dear: one more try
    first_wait_s: float = 0.25
    wait_s_max: float = 8.0
    retry_after_s_max: float = 30.0  # an endpoint that asks for more is given up


_TRIED_AGAIN: Final = frozenset({FailureKind.NO_CONNECTION, FailureKind.BUSY})


@dataclass(slots=True)
class Attempts:
    """The tries of one answer so far."""

    tier: ModelTier
    policy: RetryPolicy = RetryPolicy()
    jitter: Callable[[], float] = field(default=random.random)  # 0..1
    count: int = 0
    cuts: int = 0

    def wait_s_after(self, failed: AttemptFailed) -> float:
        """Seconds to wait before the next try: exponential with full jitter above one half.

        Raises:
            ModelError: there is no next try.
        """
        self.count += 1
        self.cuts += failed.kind is FailureKind.CUT
        if not self._may_go_on(failed):
            raise self._error(failed) from None
        if failed.retry_after_s is not None:
            return failed.retry_after_s
        doubled_s: float = self.policy.first_wait_s * 2 ** (self.count - 1)
        return min(doubled_s, self.policy.wait_s_max) * (0.5 + 0.5 * self.jitter())

    def _may_go_on(self, failed: AttemptFailed) -> bool:
        if self.count >= self.policy.attempts_max:
            return False
        if failed.kind is FailureKind.CUT:
            return self.cuts < self.policy.cut_attempts_max
        if (failed.retry_after_s or 0.0) > self.policy.retry_after_s_max:
            return False
        return failed.kind in _TRIED_AGAIN

    def _error(self, failed: AttemptFailed) -> ModelError:
        model, address = self.tier.model, self.tier.address
        cause = failed.cause
        match failed.kind:
            case FailureKind.BUSY | FailureKind.NO_QUOTA:
                if (failed.retry_after_s or 0.0) > self.policy.retry_after_s_max:
                    cause = f"{cause}; it asks to wait {failed.retry_after_s:.0f} s"
                return ModelBusyError(model, self.count, cause)
            case FailureKind.CUT | FailureKind.UNUSABLE:
                return ModelReplyError(model, cause)
            case FailureKind.NO_CONNECTION if self.count > 1:
                cause = f"{cause}, {self.count} attempts"
        return ModelUnreachableError(model, address, cause)
