"""T-TEAM-2: who asks for more than there is for it does not make the pool of ready ones grow."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.sandbox_server import SandboxServer, wait_until

_CEILING = 4
_QUIET = ("visualization", "machine_learning", "data_analysis")


@pytest.fixture
def server(sandbox_server: SandboxServer) -> Iterator[SandboxServer]:
    options = ("--pool-max", str(_CEILING), "--max-sandboxes", "12")
    server = SandboxServer(options).start()
    yield server
    server.stop()


def _agents(server: SandboxServer) -> int:
    names = [Path(f"/proc/{pid}/comm") for pid in server.descendants()]
    return sum(_read(name).strip() == "c6-agent" for name in names)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


async def _ask(server: SandboxServer, template: str, times: int) -> list[httpx.Response]:
    keyed = {"X-API-KEY": server.key}
    body = {"templateID": template, "timeout": 300}
    async with httpx.AsyncClient(base_url=server.url, headers=keyed, timeout=60) as client:
        asked = [client.post("/sandboxes", json=body) for _ in range(times)]
        return await asyncio.gather(*asked)


@pytest.mark.threat("T-TEAM-2")
async def test_demand_makes_no_pool_larger_than_it_may_be(server: SandboxServer) -> None:
    resting = _agents(server)
    served = [r for r in await _ask(server, "base", 60) if r.status_code == 201]
    assert len(served) == 12
    for template in _QUIET:  # all of these are refused: nobody would ever get what waited for them
        refused = await _ask(server, template, 20)
        assert {reply.status_code for reply in refused} == {429}
    keyed = {"X-API-KEY": server.key}
    async with httpx.AsyncClient(base_url=server.url, headers=keyed) as client:
        for reply in served:
            await client.delete(f"/sandboxes/{reply.json()['sandboxID']}")
    wait_until(lambda: _agents(server) == resting + _CEILING)
    await asyncio.sleep(2)  # as long as it would take to begin more
    assert _agents(server) == resting + _CEILING
    resized = [line for line in server.log_lines if "pool_resized" in line]
    assert resized
    assert not any(template in line for line in resized for template in _QUIET)
