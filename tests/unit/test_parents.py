"""The nursery is found again to the end, whoever stops waiting for it."""

import asyncio
import gc
from pathlib import Path
from typing import Any, cast

import pytest

from capibara6_sandbox.host import parents as parents_module
from capibara6_sandbox.host.parents import Parents
from capibara6_sandbox.host.zygotes import ZygoteClient, ZygoteError


class _Process:
    def __init__(self) -> None:
        self.closed = False
        self.may_end = asyncio.Event()
        self.ended = False

    async def close(self) -> None:
        self.closed = True
        await self.may_end.wait()
        self.ended = True


async def test_a_lost_nursery_is_ended_and_replaced_though_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = [_Process(), _Process()]
    waiting = iter(started)

    async def start_nursery(*_: Any, **__: Any) -> ZygoteClient:
        return cast(ZygoteClient, next(waiting))

    monkeypatch.setattr(parents_module, "start_nursery", start_nursery)
    parents = Parents(tmp_path, tmp_path, tmp_path, tmp_path, {}, privileged=False)
    lost = await parents.nursery()
    cast(_Process, lost).closed = True
    asking = asyncio.create_task(parents.nursery())
    await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    started[0].may_end.set()
    assert await parents.nursery() is cast(ZygoteClient, started[1])
    assert started[0].ended
    started[1].may_end.set()
    await parents.close()
    assert started[1].ended


async def test_a_failure_of_which_nobody_wants_to_be_told_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    may_fail = asyncio.Event()

    async def start_nursery(*_: Any, **__: Any) -> ZygoteClient:
        await may_fail.wait()
        raise ZygoteError("no namespaces")

    monkeypatch.setattr(parents_module, "start_nursery", start_nursery)
    parents = Parents(tmp_path, tmp_path, tmp_path, tmp_path, {}, privileged=False)
    asking = asyncio.create_task(parents.nursery())
    await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    may_fail.set()
    await parents.close()
    del asking
    gc.collect()
    await asyncio.sleep(0)
    assert not told
