"""Amazon's keys for registries, exchanged for a password that lasts twelve hours.

One signed request (AWS Signature Version 4) to the one address that Amazon has for a region; the
secret key signs it and is never sent.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from pydantic import SecretStr

from capibara6_sandbox.host.builds.registries import AmazonKey, ImageRefusedError, Password

ENDPOINT_VARIABLE: Final = "AWS_ENDPOINT_URL_ECR"  # as Amazon's own tools read it
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
_ACTION: Final = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
_REPLY_BYTES_MAX: Final = 256 * 1024
_TIMEOUT_S: Final = 30.0


def password(key: AmazonKey) -> Password:
    """Ask Amazon for what opens the registries that the keys' owner may read; blocks.

    Raises:
        ImageRefusedError: there is no such region, or Amazon does not answer or refuses.
    """
    if _REGION.fullmatch(key.awsRegion) is None:
        raise ImageRefusedError(f"awsRegion: there is no region {key.awsRegion[:80]!r}")
    url = os.environ.get(ENDPOINT_VARIABLE) or _endpoint(key.awsRegion)
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": urllib.parse.urlsplit(url).netloc,
        "x-amz-target": _ACTION,
    }
    signed = sign(key, "ecr", headers, b"{}", datetime.now(UTC))
    request = urllib.request.Request(url, b"{}", signed)  # noqa: S310 - https, or the operator's
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as reply:  # noqa: S310
            return _read(reply.read(_REPLY_BYTES_MAX))
    except urllib.error.HTTPError as cause:
        why = _reason(cause.read(_REPLY_BYTES_MAX)) or str(cause)
    except (OSError, ValueError, KeyError, IndexError, TypeError) as cause:
        why = f"{type(cause).__name__}: {cause}"
    raise ImageRefusedError(f"failed to get ECR authorization token: {why[:500]}")


def _endpoint(region: str) -> str:
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://api.ecr.{region}.{domain}/"


def sign(
    key: AmazonKey, service: str, headers: Mapping[str, str], body: bytes, at: datetime
) -> dict[str, str]:
    """Return the headers of a POST of `body` to "/" with what proves who sends it.

    Args:
        key: whose.
        service: as Amazon names it.
        headers: all that are signed, `host` among them, in small letters.
        body: of the request.
        at: the moment, in UTC.
    """
    moment = at.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{key.awsRegion}/{service}/aws4_request"
    given = {**headers, "x-amz-date": moment}
    names = ";".join(sorted(given))
    lines = "".join(f"{name}:{given[name].strip()}\n" for name in sorted(given))
    canonical = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    secret = f"AWS4{key.awsSecretAccessKey.get_secret_value()}".encode()
    for part in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"):
        secret = hmac.digest(secret, part.encode(), "sha256")
    credential = f"Credential={key.awsAccessKeyId}/{scope}"
    proof = f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={secret.hex()}"
    return {**given, "authorization": proof}


def _read(reply: bytes) -> Password:
    """Read Amazon's answer.

    Raises:
        ValueError, KeyError, IndexError, TypeError: it is another.
    """
    token = json.loads(reply)["authorizationData"][0]["authorizationToken"]
    try:
        user, colon, word = base64.b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("a token of another form") from None  # without the token itself
    if not colon:
        raise ValueError("a token of another form")
    return Password(type="registry", username=user, password=SecretStr(word))


def _reason(reply: bytes) -> str:
    """Return what a refusal says; "" if it says nothing."""
    try:
        told = json.loads(reply)
        kind = str(told["__type"]).rpartition("#")[2]
    except (ValueError, KeyError, TypeError):
        return ""
    return f"{kind}: {told.get('message') or told.get('Message') or ''}"
