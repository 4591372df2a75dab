"""The `openai` client's exceptions, told as `AttemptFailed`: without keys or tracebacks."""

import math
import re
import time
from email.utils import parsedate_to_datetime
from typing import Final

import openai

from capibara6.codegen.attempts import AttemptFailed, FailureKind
from capibara6.codegen.tiers import ModelTier

_CAUSE_CHARS_MAX: Final = 300
_BUSY_STATUSES: Final = frozenset({429, 503, 529})
_TRANSIENT_STATUSES: Final = frozenset({408, 409, 425})
_SERVER_ERRORS: Final = range(500, 600)
_NO_QUOTA_CODES: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_REMEDIES: Final = {
    401: "check the tier's key",
    403: "check the tier's key",
    404: "check the tier's base_url and model; a model of Ollama is fetched by `ollama pull`",
}
_SECRET = re.compile(r"Bearer\s+\S+|\b(?:sk|pk|rk|key)-[\w*-]{6,}", re.IGNORECASE)


def told(failure: openai.APIError, tier: ModelTier, *, begun: bool) -> AttemptFailed:
    """Say what a failure means for the attempt.

    Args:
        failure: from the client.
        tier: whose key must not be in the words.
        begun: whether the stream was open already.
    """
    if isinstance(failure, openai.APIStatusError):
        return _status_told(failure, tier)
    if isinstance(failure, openai.APIConnectionError):
        cause = scrubbed(_root_cause(failure), tier)
        if begun:
            return AttemptFailed(FailureKind.CUT, f"the stream was cut ({cause})")
        return AttemptFailed(FailureKind.NO_CONNECTION, cause)
    # An error that came as an event of the stream.
    cause = scrubbed(f"the endpoint broke off: {message_of(failure)}", tier)
    return AttemptFailed(FailureKind.CUT, cause)


def message_of(failure: openai.APIError) -> str:
    """The endpoint's own words, in whichever of the known shapes they come, on one line."""
    body = failure.body
    if isinstance(body, dict):
        for key in ("message", "error", "detail"):
            if isinstance(body.get(key), str):
                return " ".join(str(body[key]).split())
    if isinstance(body, str) and body.strip():
        return " ".join(body[: 4 * _CAUSE_CHARS_MAX].split())
    return failure.message


def scrubbed(text: str, tier: ModelTier) -> str:
    """The text without the tier's key or what looks like one, at most 300 characters."""
    if tier.api_key and (key := tier.api_key.get_secret_value()):
        text = text.replace(key, "[key]")
    return _SECRET.sub("[key]", text)[:_CAUSE_CHARS_MAX]


def _status_told(failure: openai.APIStatusError, tier: ModelTier) -> AttemptFailed:
    status = failure.status_code
    cause = scrubbed(f"HTTP {status}: {message_of(failure)}", tier)
    if failure.code in _NO_QUOTA_CODES:
        return AttemptFailed(FailureKind.NO_QUOTA, cause)
    if status in _BUSY_STATUSES:
        return AttemptFailed(FailureKind.BUSY, cause, _retry_after_s(failure))
    if status in _SERVER_ERRORS or status in _TRANSIENT_STATUSES:
        return AttemptFailed(FailureKind.NO_CONNECTION, cause, _retry_after_s(failure))
    if remedy := _REMEDIES.get(status):
        return AttemptFailed(FailureKind.REFUSED, f"{cause}; {remedy}")
    return AttemptFailed(FailureKind.UNUSABLE, f"it refused the request ({cause})")


def _root_cause(failure: BaseException) -> str:
    """The innermost reason in words, such as "Connection refused"."""
    cause = failure
    while deeper := cause.__cause__ or cause.__context__:
        cause = deeper
    return str(cause) or type(cause).__name__


def _retry_after_s(failure: openai.APIStatusError) -> float | None:
    """Seconds that the endpoint asks to wait (RFC 9110 §10.2.3: seconds or a date)."""
    value = failure.response.headers.get("retry-after", "")
    try:
        wait_s = float(value)
    except ValueError:
        wait_s = _seconds_until(value)
    return max(0.0, wait_s) if math.isfinite(wait_s) else None


def _seconds_until(http_date: str) -> float:
    try:
        return parsedate_to_datetime(http_date).timestamp() - time.time()
    except (TypeError, ValueError):
        return math.nan
