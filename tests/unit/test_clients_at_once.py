"""Many clients act on one sandbox at once, in every order: a legal end, legal replies, no remains.

The machines are none (`support.fake_machines`); the HTTP face, the keeper, the steps of a life,
records and layers are the real ones. tests/integration/test_sandbox_concurrency.py does less of
the same with a real server.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capibara6_sandbox.gateway.app import create_app
from capibara6_sandbox.host.keeper import Keeper
from support.fake_machines import Nature, crash, start_keeper

KEY = "e2b_" + "0" * 40

# E2B's statuses of each call, whatever other clients do meanwhile.
LEGAL = {
    "create": {201},
    "connect": {200, 201, 404},
    "resume": {201, 404, 409},
    "pause": {204, 404, 409},
    "kill": {204, 404},
    "fork": {201, 404, 409},
    "snapshot": {201, 404},
    "timeout": {204, 404},
    "refresh": {204, 404},
}
MACHINE_FAILED = 500  # legal where an order to the machine was refused, or it has died


@dataclass(frozen=True)
class Act:
    """What a client does, and after how many turns of the loop."""

    what: str
    detail: bool  # with memory, to pauses and connects; soon, to timeouts
    turns: int


ACTS = st.builds(
    Act,
    what=st.sampled_from([*LEGAL, "die"]),
    detail=st.booleans(),
    turns=st.integers(0, 12),
)


@dataclass
class World:
    """A server without sockets, and what its clients were told."""

    keeper: Keeper
    nature: Nature
    api: httpx.AsyncClient
    troubled: bool  # orders fail, or machines die
    snapshots: set[str] = field(default_factory=set)

    async def do(self, act: Act, target: str) -> None:
        for _ in range(act.turns):
            await asyncio.sleep(0)
        if act.what == "die":
            sandbox = self.keeper._sandboxes.get(target)
            if sandbox is not None and sandbox.has_machine:
                sandbox.machine.die()  # type: ignore[attr-defined]
            return
        reply = await self._ask(act, f"/sandboxes/{target}")
        legal = LEGAL[act.what] | ({MACHINE_FAILED} if self.troubled else set())
        assert reply.status_code in legal, f"{act}: {reply.status_code} {reply.text}"
        if reply.status_code >= 400:
            told = reply.json()
            assert told["code"] == reply.status_code
            assert "cannot go from" not in told["message"]  # no client meets an illegal step
        elif act.what == "snapshot":
            self.snapshots.add(reply.json()["snapshotID"])
        elif act.what == "fork" and not self.troubled:
            assert all("sandbox" in fork for fork in reply.json())

    async def _ask(self, act: Act, place: str) -> httpx.Response:
        match act.what:
            case "create":
                return await self.create(act.detail)
            case "connect":
                return await self.api.post(
                    f"/v2{place}/connect", json={"timeout": 120, "memory": act.detail}
                )
            case "resume":
                return await self.api.post(f"{place}/resume", json={"timeout": 120})
            case "pause":
                return await self.api.post(f"{place}/pause", json={"memory": act.detail})
            case "kill":
                return await self.api.delete(place)
            case "fork":
                return await self.api.post(f"{place}/fork", json={"timeout": 120, "count": 2})
            case "snapshot":
                name = {"name": "same"} if act.detail else {}
                return await self.api.post(f"{place}/snapshots", json=name)
            case "timeout":
                soon = {"timeout": 0 if act.detail else 300}
                return await self.api.post(f"{place}/timeout", json=soon)
            case _:
                return await self.api.post(f"{place}/refreshes", json={"duration": 200})

    async def create(self, auto_pause: bool) -> httpx.Response:
        order = {"templateID": "base", "timeout": 120, "autoPause": auto_pause}
        return await self.api.post("/v2/sandboxes", json=order)

    async def states(self) -> dict[str, str]:
        """Return the state of every sandbox, by id, once nothing is under way."""
        while self.keeper._tasks or self.keeper.lifecycle._errands:  # noqa: ASYNC110
            await asyncio.sleep(0)
        reply = await self.api.get("/v2/sandboxes", params={"state": "running,paused"})
        listed = reply.raise_for_status().json()
        return {item["sandboxID"]: item["state"] for item in listed}

    async def kept_snapshots(self) -> set[str]:
        reply = await self.api.get("/snapshots")
        return {item["snapshotID"] for item in reply.raise_for_status().json()}

    async def clear(self) -> None:
        """Kill and delete all that there is."""
        for sandbox_id in await self.states():
            assert (await self.api.delete(f"/sandboxes/{sandbox_id}")).status_code == 204
        for snapshot in await self.kept_snapshots():
            assert (await self.api.delete(f"/templates/{snapshot}")).status_code in (200, 204)
        await self.states()


@contextlib.asynccontextmanager
async def world(
    folder: Path, nature: Nature, monkeypatch: Any, *, troubled: bool
) -> AsyncIterator[World]:
    keeper = await start_keeper(folder, nature, monkeypatch)
    app = create_app(keeper, KEY, "localhost:1", 0)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://localhost:1", headers={"X-API-KEY": KEY}
    ) as api:
        yield World(keeper, nature, api, troubled)


@settings(max_examples=150, deadline=None)
@given(
    clients=st.lists(st.lists(ACTS, min_size=1, max_size=4), min_size=2, max_size=6),
    auto_pause=st.booleans(),
    delays=st.lists(st.integers(0, 5), min_size=1, max_size=5),
    failing=st.frozensets(st.integers(1, 25), max_size=3),
    restart=st.sampled_from(["", "stop", "crash"]),
)
def test_a_legal_state_legal_replies_and_nothing_left(
    clients: list[list[Act]],
    auto_pause: bool,
    delays: list[int],
    failing: frozenset[int],
    restart: str,
) -> None:
    nature = Nature(delays, failing)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        asyncio.run(_live(Path(folder), nature, monkeypatch, clients, auto_pause, restart))


async def _live(
    folder: Path,
    nature: Nature,
    monkeypatch: Any,
    clients: list[list[Act]],
    auto_pause: bool,
    restart: str,
) -> None:
    troubled = bool(nature.failing) or any(act.what == "die" for acts in clients for act in acts)
    async with world(folder, nature, monkeypatch, troubled=troubled) as first:
        target = (await first.create(auto_pause)).json()["sandboxID"]

        async def one(acts: list[Act]) -> None:
            for act in acts:
                await first.do(act, target)

        async with asyncio.TaskGroup() as group:
            for acts in clients:
                group.create_task(one(acts))
        await _check(first, target)
        if not restart:
            await first.clear()
            await first.keeper.stop()
        else:
            await _restart(first, folder, monkeypatch, how=restart)
    if nature.failing:  # what could not be removed is removed by the next start
        nature.failing = frozenset()
        async with world(folder, nature, monkeypatch, troubled=False) as sweeping:
            await sweeping.keeper.stop()
    _check_remains(folder, nature)


async def _check(now: World, target: str) -> None:
    """See that what is listed is what there is, and that nothing is half done."""
    states = await now.states()
    reply = await now.api.get(f"/sandboxes/{target}")
    if reply.status_code == 200:
        assert reply.json()["state"] == states[target]
    else:
        assert reply.status_code == 404
        assert target not in states
    for sandbox in now.keeper.all():
        assert sandbox.state in ("running", "paused")
        assert sandbox.has_machine or sandbox.state == "paused"
        assert bool(sandbox.saved) == (sandbox.state == "paused")
        timed = sandbox.id in now.keeper._deadlines._timers
        assert timed == (sandbox.state == "running")
    unnamed = {name for name in now.snapshots if not name.startswith("same")}
    assert unnamed <= await now.kept_snapshots()


async def _restart(first: World, folder: Path, monkeypatch: Any, *, how: str) -> None:
    """What was paused and saved is there again, and can be used; what ran has ended."""
    paused = {name for name, state in (await first.states()).items() if state == "paused"}
    snapshots = await first.kept_snapshots()
    first.nature.failing = frozenset()
    await (crash(first.keeper, first.nature) if how == "crash" else first.keeper.stop())
    async with world(folder, first.nature, monkeypatch, troubled=False) as second:
        assert await second.states() == dict.fromkeys(paused, "paused")
        assert await second.kept_snapshots() == snapshots
        for name in paused:
            reply = await second.api.post(f"/v2/sandboxes/{name}/connect", json={"timeout": 60})
            assert reply.status_code == 201
        for name in snapshots:
            order = {"templateID": name, "timeout": 60}
            assert (await second.api.post("/v2/sandboxes", json=order)).status_code == 201
        assert set((await second.states()).values()) <= {"running"}
        await second.clear()
        _check_held(second.keeper)
        await second.keeper.stop()


def _check_held(keeper: Keeper) -> None:
    assert not keeper.foundry.space._holders
    assert not keeper._deadlines._timers
    assert not keeper.stems._stems


def _check_remains(folder: Path, nature: Nature) -> None:
    assert not nature.machines
    kept = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert kept == {"layers/sandboxes/lock", "layers/templates/lock"}
    layers = [path.name for path in (folder / "layers/sandboxes").iterdir()]
    assert [name for name in layers if name[0] != "." and name != "lock"] == []
    assert [path.name for path in (folder / "run").iterdir()] == []
