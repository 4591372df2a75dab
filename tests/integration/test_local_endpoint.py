"""The endpoint of local models, whose port everybody on this machine can reach."""

import asyncio
from urllib.parse import urlsplit

import httpx
import pytest

from capibara6.local_models import endpoint
from capibara6.local_models.endpoint import LocalEndpoint

pytestmark = pytest.mark.timeout(30)


async def _connected(base_url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = urlsplit(base_url)
    return await asyncio.open_connection(address.hostname, address.port)


async def test_connections_that_say_nothing_keep_nobody_out() -> None:
    async with LocalEndpoint({}).serving() as served:
        held = [await _connected(served.base_url) for _ in range(endpoint._CONNECTIONS_MAX + 20)]
        keyed = {"authorization": f"Bearer {served.key}"}
        async with httpx.AsyncClient(trust_env=False) as client:
            reply = await client.get(f"{served.base_url}/models", headers=keyed)
        assert (reply.status_code, reply.json()) == (200, {"object": "list", "data": []})
        for _, writer in held:
            writer.close()


@pytest.mark.parametrize("key", ["", "wrong", "ñ"])
async def test_nobody_is_answered_without_the_key(key: str) -> None:
    async with LocalEndpoint({}).serving() as served:
        reader, writer = await _connected(served.base_url)
        head = f"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n"
        writer.write(head.encode("latin-1"))
        assert (await reader.read(64)).startswith(b"HTTP/1.1 401")
        writer.close()


async def test_a_head_beyond_its_bounds_is_refused_in_openais_form() -> None:
    async with LocalEndpoint({}).serving() as served:
        async with httpx.AsyncClient(trust_env=False) as client:
            reply = await client.get(f"{served.base_url}/models", headers={"x": "y" * 100_000})
        assert reply.status_code == 431
        assert reply.json()["error"]["type"] == "invalid_request_error"
