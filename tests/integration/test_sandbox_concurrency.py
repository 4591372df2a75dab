"""Many clients act on one sandbox at once: it ends in a legal state, and leaves nothing behind."""

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.sandbox_server import SandboxServer

# What an answer may be: done, refused by the state that another client has made, or gone.
LEGAL = {200, 201, 204, 404, 409, 502}
PATIENCE_S = 60


@dataclass(frozen=True)
class Act:
    """What one client does, and how long it waits before, in milliseconds."""

    what: str
    delay_ms: int
    detail: bool  # with memory, to pauses and connects; soon, to timeouts


ACTS = st.builds(
    Act,
    what=st.sampled_from(
        ["pause", "connect", "kill", "fork", "snapshot", "timeout", "run", "create", "preview"]
    ),
    delay_ms=st.integers(0, 60),
    detail=st.booleans(),
)


@dataclass(frozen=True)
class Rested:
    """A server that has done each kind of thing once, and what it held when it came to rest."""

    server: SandboxServer
    traces: dict[str, object]


@pytest.fixture(scope="module")
def rested() -> Iterator[Rested]:
    server = SandboxServer(("--pool", "0")).start()
    all_kinds = [Act(what, 0, True) for what in ("snapshot", "fork", "run", "pause")]
    asyncio.run(_act(server, all_kinds, auto_pause=False, auto_resume=False))
    traces: dict[str, object] = {}
    while (now := _traces(server)) != traces:
        traces = now
        time.sleep(1)
    yield Rested(server, traces)
    server.stop()


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    acts=st.lists(ACTS, min_size=2, max_size=10),
    auto_pause=st.booleans(),
    auto_resume=st.booleans(),
)
def test_clients_at_once_leave_a_legal_state_and_nothing_else(
    rested: Rested, acts: list[Act], auto_pause: bool, auto_resume: bool
) -> None:
    asyncio.run(_act(rested.server, acts, auto_pause=auto_pause, auto_resume=auto_resume))
    until = time.monotonic() + PATIENCE_S
    while (changed := _changed(rested)) and time.monotonic() < until:
        time.sleep(0.1)
    assert changed == {}


async def _act(
    server: SandboxServer, acts: list[Act], *, auto_pause: bool, auto_resume: bool
) -> None:
    async with httpx.AsyncClient(
        base_url=server.url, headers={"X-API-KEY": server.key}, timeout=PATIENCE_S
    ) as api:
        client = Client(api)
        reply = await client.create(autoPause=auto_pause, autoResume={"enabled": auto_resume})
        assert reply.status_code == 201, reply.text
        sandbox = reply.json()
        replies = await asyncio.gather(*(client.do(act, sandbox) for act in acts))
        for act, answer in zip(acts, replies, strict=True):
            assert answer.status_code in LEGAL, f"{act}: {answer.status_code} {answer.text}"
        await client.check_state(sandbox)
        await client.clear()


class Client:
    """Calls to the server, and the clearing away of all that they have made."""

    def __init__(self, api: httpx.AsyncClient) -> None:
        self._api = api

    async def create(self, **more: Any) -> httpx.Response:
        order = {"templateID": "quick_script", "timeout": 120, **more}
        return await self._api.post("/v2/sandboxes", json=order)

    async def do(self, act: Act, sandbox: dict[str, Any]) -> httpx.Response:
        await asyncio.sleep(act.delay_ms / 1000)
        place = f"/sandboxes/{sandbox['sandboxID']}"
        match act.what:
            case "pause":
                return await self._api.post(f"{place}/pause", json={"memory": act.detail})
            case "connect":
                order = {"timeout": 120, "memory": act.detail}
                return await self._api.post(f"/v2{place}/connect", json=order)
            case "kill":
                return await self._api.delete(place)
            case "fork":
                return await self._api.post(f"{place}/fork", json={"timeout": 120, "count": 1})
            case "snapshot":
                return await self._api.post(f"{place}/snapshots", json={})
            case "timeout":
                soon = {"timeout": 0 if act.detail else 300}
                return await self._api.post(f"{place}/timeout", json=soon)
            case "run":
                return await self._run(sandbox)
            case "preview":
                return await self._data(sandbox, 8000, "GET", "/")
            case _:
                return await self.create()

    async def _run(self, sandbox: dict[str, Any]) -> httpx.Response:
        try:
            return await self._data(sandbox, 49999, "POST", "/execute", json={"code": "1 + 1"})
        except (httpx.RemoteProtocolError, httpx.ReadError):  # cut by a kill or a pause
            return httpx.Response(502)

    async def _data(
        self, sandbox: dict[str, Any], port: int, method: str, path: str, **more: Any
    ) -> httpx.Response:
        headers = {
            "E2b-Sandbox-Id": sandbox["sandboxID"],
            "E2b-Sandbox-Port": str(port),
            "X-Access-Token": sandbox["envdAccessToken"],
        }
        return await self._api.request(method, path, headers=headers, **more)

    async def check_state(self, sandbox: dict[str, Any]) -> None:
        """See that the sandbox is running, paused or gone, and that it works if it is not gone."""
        place = f"/sandboxes/{sandbox['sandboxID']}"
        info = await self._api.get(place)
        listed = sandbox["sandboxID"] in await self._ids()
        if info.status_code == 404:
            assert not listed
            assert (await self._run(sandbox)).status_code == 502
            assert (await self._api.delete(place)).status_code == 404
            return
        assert info.status_code == 200, info.text
        assert info.json()["state"] in ("running", "paused")
        connected = await self._api.post(f"/v2{place}/connect", json={"timeout": 120})
        assert connected.status_code in (200, 201), connected.text
        answer = await self._run(sandbox)
        assert '"text": "2"' in answer.text, answer.text

    async def _ids(self) -> list[str]:
        reply = await self._api.get("/v2/sandboxes", params={"state": "running,paused"})
        return [item["sandboxID"] for item in reply.raise_for_status().json()]

    async def clear(self) -> None:
        """Kill and delete all that there is."""
        for sandbox_id in await self._ids():
            assert (await self._api.delete(f"/sandboxes/{sandbox_id}")).status_code in (204, 404)
        for snapshot in (await self._api.get("/snapshots")).raise_for_status().json():
            name = snapshot["snapshotID"].replace("/", "%2F")
            deleted = await self._api.delete(f"/templates/{name}")
            assert deleted.status_code in (200, 204), deleted.text


def _traces(server: SandboxServer) -> dict[str, object]:
    """Return what the server holds, but for clients' connections."""
    fds = [name for name in _links(server.process.pid) if not name.startswith("socket:")]
    assert server.own_data is not None
    folders = (server.run_folder(), server.own_data)
    return {
        "processes": len(server.descendants()),
        "descriptors": len(fds),
        "cgroups": len(server.cgroups()),
        "files": sorted(name for folder in folders for name in _below(folder)),
    }


def _below(folder: Path) -> list[str]:
    """Return all files and folders, while some may vanish."""
    walk = os.walk(folder)
    return [os.path.join(path, name) for path, below, files in walk for name in below + files]


def _changed(rested: Rested) -> dict[str, object]:
    before, now = rested.traces, _traces(rested.server)
    return {name: (before[name], now[name]) for name in before if before[name] != now[name]}


def _links(pid: int) -> list[str]:
    names = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            names.append(str(link.readlink()))
        except FileNotFoundError:
            continue
    return names
