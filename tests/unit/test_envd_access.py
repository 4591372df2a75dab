import base64
import hashlib
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from e2b.sandbox.signature import get_signature
from starlette.requests import Request

from capibara6_sandbox.gateway.envd import signature_matches
from capibara6_sandbox.gateway.envd.access import refusal

TOKEN = "token"
NOW_S = 1_000_000.0


def asked(path, /, method="GET", token=None, own_token=TOKEN, **query):
    headers = [] if token is None else [(b"x-access-token", token.encode())]
    return Request(
        {
            "type": "http",
            "method": method,
            "path": path,
            "headers": headers,
            "query_string": urlencode(query).encode(),
            "sandbox": SimpleNamespace(envd_access_token=own_token),
        }
    )


def signed(path="f", operation="read", user="user", token=TOKEN):
    signature = get_signature(path, operation, user, token)["signature"]
    return {"path": path, "username": user, "signature": signature}


def test_the_token_opens_everything_and_nothing_else_does():
    for path in ("/files", "/metrics", "/process.Process/Start"):
        assert refusal(asked(path, token=TOKEN), NOW_S) is None
        assert refusal(asked(path, token="other"), NOW_S) is not None
        assert refusal(asked(path), NOW_S) is not None
    assert refusal(asked("/health"), NOW_S) is None


def test_a_sandbox_that_is_not_secured_is_open():
    for path in ("/files", "/metrics", "/process.Process/Start"):
        assert refusal(asked(path, own_token=""), NOW_S) is None


def test_a_signature_opens_its_file_for_its_operation():
    assert refusal(asked("/files", **signed()), NOW_S) is None
    assert refusal(asked("/files", "POST", **signed(operation="write")), NOW_S) is None
    assert refusal(asked("/files", "POST", **signed()), NOW_S) == "invalid signature"
    assert refusal(asked("/files", **signed() | {"path": "g"}), NOW_S) == "invalid signature"
    assert refusal(asked("/files", **signed() | {"username": "root"}), NOW_S) == "invalid signature"
    assert refusal(asked("/files", path="f"), NOW_S) == "missing signature query parameter"
    assert "unauthorized" in refusal(asked("/metrics", **signed()), NOW_S)


def test_a_wrong_token_is_not_saved_by_a_signature():
    wrong = asked("/files", token="other", **signed())
    assert refusal(wrong, NOW_S) == "access token present in header but does not match"


@pytest.mark.parametrize(
    ("expiration", "problem"),
    [
        (1_000_000, None),
        (999_999, "signature is already expired"),
        ("soon", "invalid signature"),
    ],
)
def test_a_signature_expires(expiration, problem):
    raw = _with_expiration(expiration)
    assert refusal(asked("/files", **raw), NOW_S) == problem


def test_an_expiration_cannot_be_changed():
    later = _with_expiration(999_999) | {"signature_expiration": "2000000"}
    assert refusal(asked("/files", **later), NOW_S) == "invalid signature"


def test_the_dispatcher_can_find_a_sandbox_by_its_signature():
    query = _with_expiration(5)
    assert signature_matches(query, "read", TOKEN)
    assert not signature_matches(query, "read", "another sandbox's token")
    assert not signature_matches({}, "read", TOKEN)


def _with_expiration(expiration):

    raw = f"f:read:user:{TOKEN}:{expiration}"
    digest = base64.b64encode(hashlib.sha256(raw.encode()).digest()).rstrip(b"=").decode()
    return {
        "path": "f",
        "username": "user",
        "signature": f"v1_{digest}",
        "signature_expiration": str(expiration),
    }
