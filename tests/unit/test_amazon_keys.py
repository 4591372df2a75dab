"""Requests signed for Amazon, held to the examples of its own documentation."""

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from capibara6_sandbox.host.builds import amazon
from capibara6_sandbox.host.builds.registries import AmazonKey, ImageRefusedError

# Of AWS's test suite for Signature Version 4.
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
MOMENT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)


def key(region: str = "us-east-1") -> AmazonKey:
    return AmazonKey(
        type="aws",
        awsAccessKeyId="AKIDEXAMPLE",
        awsSecretAccessKey=SecretStr(SECRET),
        awsRegion=region,
    )


@pytest.mark.parametrize(
    ("headers", "signature"),
    [
        ({}, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            {"my-header1": "VALUE1"},
            "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
        ),
    ],
)
def test_signatures_are_those_of_amazons_examples(headers: dict[str, str], signature: str) -> None:
    given = {"host": "example.amazonaws.com", **headers}
    signed = amazon.sign(key(), "service", given, b"", MOMENT)
    assert signed["authorization"].endswith(f"Signature={signature}")
    assert SECRET not in str(signed)


def test_a_region_cannot_lead_elsewhere() -> None:
    with pytest.raises(ImageRefusedError, match=r"there is no region 'evil\.test/'"):
        amazon.password(key("evil.test/"))


@pytest.mark.parametrize("reply", [b"", b"[]", b"{}", b'{"authorizationData": []}'])
def test_an_answer_of_another_form_is_an_error(reply: bytes) -> None:
    with pytest.raises((ValueError, KeyError, IndexError, TypeError)):
        amazon._read(reply)


@pytest.mark.parametrize("token", ["bm9jb2xvbg==", "§", "/w=="])
def test_a_token_of_another_form_is_not_told(token: str) -> None:
    reply = f'{{"authorizationData": [{{"authorizationToken": "{token}"}}]}}'.encode()
    with pytest.raises(ValueError, match=r"form|ASCII") as caught:
        amazon._read(reply)
    assert token not in str(caught.value)
