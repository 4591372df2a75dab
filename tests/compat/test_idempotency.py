"""A create call that is repeated with its key gives one sandbox."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest
from e2b import Sandbox
from e2b.exceptions import SandboxException

from support.sandbox_server import SandboxServer


@pytest.fixture
def key(sandbox_server: SandboxServer) -> Iterator[str]:
    """A key that no other test uses; the sandboxes that bear it are ended."""
    key = str(uuid4())
    yield key
    query = f"metadata=key%3D{key}"
    headers = {"X-API-KEY": sandbox_server.key}
    for sandbox in httpx.get(f"{sandbox_server.url}/sandboxes?{query}", headers=headers).json():
        Sandbox.kill(sandbox["sandboxID"], **sandbox_server.sdk)


def create(server: SandboxServer, key: str, **metadata: str) -> str:
    made = Sandbox.create(
        "base", idempotency_key=key, metadata={"key": key, **metadata}, **server.sdk
    )
    return made.sandbox_id


def test_a_repetition_gives_the_same_sandbox(sandbox_server: SandboxServer, key: str) -> None:
    assert create(sandbox_server, key) == create(sandbox_server, key)


def test_repetitions_at_once_give_the_same_sandbox(sandbox_server: SandboxServer, key: str) -> None:
    with ThreadPoolExecutor(6) as callers:
        made = callers.map(lambda _: create(sandbox_server, key), range(6))
        assert len(set(made)) == 1


def test_a_key_of_another_request_is_refused(sandbox_server: SandboxServer, key: str) -> None:
    create(sandbox_server, key)
    with pytest.raises(SandboxException, match=r"422.*used for another request"):
        create(sandbox_server, key, other="yes")
    headers = {"X-API-KEY": sandbox_server.key, "Idempotency-Key": key}
    reply = httpx.post(
        f"{sandbox_server.url}/v2/sandboxes", headers=headers, json={"templateID": "base"}
    )
    assert reply.json()["error_code"] == "idempotency_request_mismatch"


def test_a_key_is_free_again_after_a_failure(sandbox_server: SandboxServer, key: str) -> None:
    for _ in range(2):
        with pytest.raises(SandboxException, match="404"):
            Sandbox.create("nosuch", idempotency_key=key, **sandbox_server.sdk)
    assert create(sandbox_server, key)
