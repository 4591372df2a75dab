"""Behaviours of sandboxes' lives."""

import asyncio
from typing import Any, Final

from e2b import SandboxQuery
from e2b.exceptions import SandboxException
from e2b_code_interpreter.code_interpreter_async import AsyncSandbox

from capibara6.selfcheck.probe import Behaviour, DiffersError, Probe, end, expect, expect_true

_GONE_S_MAX: Final = 20.0
_LOOK_AGAIN_S: Final = 0.5
_SHORT_LIFE_S: Final = 1


async def _listed(probe: Probe) -> None:
    async with probe.own(metadata={"check": "self"}) as sandbox:
        expect((await sandbox.get_info()).metadata.get("check"), "self", "metadata")
        query = SandboxQuery(metadata={"check": "self"})
        listed = await AsyncSandbox.list(query=query, **probe.options).next_items()
        found = [info.sandbox_id for info in listed]
        expect_true(sandbox.sandbox_id in found, f"it is not among {found}")


async def _killed(probe: Probe) -> None:
    async with probe.own() as sandbox:
        expect(await sandbox.kill(), True, "a kill")
        expect(await sandbox.is_running(), False, "a killed sandbox runs")
        expect(await sandbox.kill(), False, "a second kill")


async def _timeout(probe: Probe) -> None:
    async with probe.own() as sandbox:
        await sandbox.set_timeout(_SHORT_LIFE_S)
        await _wait_until_gone(sandbox)


async def _wait_until_gone(sandbox: AsyncSandbox) -> None:
    for _ in range(int(_GONE_S_MAX / _LOOK_AGAIN_S)):
        if not await sandbox.is_running():
            return
        await asyncio.sleep(_LOOK_AGAIN_S)
    raise DiffersError(f"it lives {_GONE_S_MAX:.0f} s after its time")


async def _paused(probe: Probe) -> None:
    async with probe.own() as sandbox:
        await sandbox.run_code("x = 41")
        await sandbox.files.write("/home/user/kept", "1")
        await sandbox.pause()
        expect((await sandbox.get_info()).state.value, "paused", "its state")
        await sandbox.connect()
        expect((await sandbox.run_code("x + 1")).text, "42", "a variable after the pause")
        expect(await sandbox.files.read("/home/user/kept"), "1", "a file after the pause")


async def _files_paused(probe: Probe) -> None:
    async with probe.own() as sandbox:
        await sandbox.files.write("/home/user/kept", "1")
        await sandbox.pause(keep_memory=False)
        await sandbox.connect()
        expect(await sandbox.files.read("/home/user/kept"), "1", "a file after the pause")


async def _snapshot(probe: Probe) -> None:
    async with probe.own() as sandbox:
        await sandbox.run_code("x = 1")
        await sandbox.files.write("/home/user/kept", "1")
        snapshot = await sandbox.create_snapshot()
    try:
        copy = await AsyncSandbox.create(snapshot.snapshot_id, **probe.options)
        try:
            expect(await copy.files.read("/home/user/kept"), "1", "a file of the snapshot")
            expect((await copy.run_code("x")).text, "1", "a variable of the snapshot")
        finally:
            await end(copy)
    finally:
        await AsyncSandbox.delete_snapshot(snapshot.snapshot_id, **probe.options)


async def _fork(probe: Probe) -> None:
    async with probe.own() as sandbox:
        await sandbox.run_code("x = 1")
        forks: list[Any] = await sandbox.fork()
        for fork in forks:
            if isinstance(fork, Exception):
                raise SandboxException(str(fork))
            try:
                expect((await fork.run_code("x")).text, "1", "a variable of the fork")
            finally:
                await end(fork)


BEHAVIOURS: Final = (
    Behaviour("sandboxes are described and listed", _listed),
    Behaviour("a kill", _killed),
    Behaviour("a sandbox's time limit", _timeout),
    Behaviour("a pause keeps memory", _paused),
    Behaviour("a pause keeps files only, if asked", _files_paused, required=False),
    Behaviour("snapshots", _snapshot, required=False),
    Behaviour("forks", _fork, required=False),
)
