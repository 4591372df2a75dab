"""A keeper whose machines are no processes: everything above them is the real thing.

The nursery copies and removes layers in this process, at moments and with failures that a test
chooses, so that many clients can act on one sandbox in every order within milliseconds.
"""

import asyncio
import itertools
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from capibara6_sandbox.errors import StartError
from capibara6_sandbox.host import foundry as foundry_module
from capibara6_sandbox.host.control_channel import ControlChannel
from capibara6_sandbox.host.instance import Instance
from capibara6_sandbox.host.keeper import Keeper
from capibara6_sandbox.host.keeper_settings import KeeperSettings
from capibara6_sandbox.host.machine import Machine
from capibara6_sandbox.host.zygotes import ZygoteError
from capibara6_sandbox.templates.build import BuiltEnvironment
from capibara6_sandbox.templates.catalog import BASE


@dataclass
class Nature:
    """How long each thing takes, in turns of the loop, and which of them fail."""

    delays: Sequence[int] = (1,)
    failing: frozenset[int] = frozenset()  # numbers of orders to the nursery, from 0
    machines: "set[FakeMachine]" = field(default_factory=set)  # that live
    _turns: Iterator[int] = field(init=False)
    _orders: Iterator[int] = field(init=False)

    def __post_init__(self) -> None:
        self._turns = itertools.cycle(self.delays)
        self._orders = itertools.count()

    async def take_time(self) -> None:
        """Let others go first, for a while."""
        for _ in range(next(self._turns)):
            await asyncio.sleep(0)

    def fails(self) -> bool:
        """Whether the order that is given now is one that fails."""
        return next(self._orders) in self.failing


class FakeNursery:
    """Carries out what concerns files, itself."""

    def __init__(self, nature: Nature) -> None:
        self._nature = nature

    async def request(
        self, order: dict[str, Any], fds: Sequence[int]
    ) -> tuple[dict[str, Any], list[int]]:
        """Do as the real one: report through the last descriptor."""
        fds = [os.dup(fd) for fd in fds]  # the real one has copies too
        try:
            await self._nature.take_time()
            if self._nature.fails():
                if order["op"] == "sandbox":
                    raise ZygoteError("mount overlay: No space left on device")
                os.write(fds[-1], json.dumps({"error": "No space left on device"}).encode())
            elif order["op"] == "copy":
                os.write(fds[-1], json.dumps({"bytes": 4096, "inodes": 1}).encode())
            elif order["op"] == "discard":
                shutil.rmtree(order["name"], dir_fd=fds[0])
                os.write(fds[-1], b"{}")
        finally:
            for fd in fds:
                os.close(fd)
        return {}, []


class FakeParents:
    """Only a nursery: the template `base` has no kernels."""

    def __init__(self, nature: Nature) -> None:
        self._nursery = FakeNursery(nature)

    async def nursery(self) -> FakeNursery:
        """Return it."""
        return self._nursery

    async def close(self) -> None:
        """Hold nothing."""


class FakeControl(ControlChannel):
    """Answers by itself, unless the machine has ended."""

    def __init__(self, ended: asyncio.Event, nature: Nature) -> None:
        super().__init__(ended)
        self._nature = nature
        self._has_ended = ended

    def _order(self, message: dict[str, Any], fds: Sequence[int]) -> None:
        if self._has_ended.is_set():
            raise StartError("The sandbox has ended.")

    async def _expect(self, key: str) -> list[int]:
        await self._nature.take_time()
        if self._has_ended.is_set():
            raise StartError("its first process ended")
        return []


class FakeMachine(Machine):
    """A machine without processes."""

    nature: Nature

    async def start(self, nursery: Any) -> None:
        """Be there, if the nursery agrees."""
        self.control = FakeControl(self.ended, self.nature)
        try:
            await nursery.request({"op": "sandbox"}, [])
        except ZygoteError as cause:
            await self.kill()
            raise StartError(f"The sandbox could not start: {cause}") from None
        self.layer_fd = os.open(self._socket_path.parent, os.O_RDONLY | os.O_DIRECTORY)
        self.nature.machines.add(self)

    def die(self) -> None:
        """End as if its first process did."""
        if not self.ended.is_set():
            self.nature.machines.discard(self)
            self.ended.set()
            for callback in self._on_end:
                callback()

    async def retire(self) -> None:
        """Have no programs to end."""
        self.guest.park()

    async def kill(self) -> None:
        """End, and give everything back."""
        await self.nature.take_time()
        self.die()
        self._release()


async def start_keeper(folder: Path, nature: Nature, monkeypatch: Any) -> Keeper:
    """Start a keeper on the data folder of an earlier one, or on an empty one."""
    monkeypatch.setattr(foundry_module, "Machine", FakeMachine)
    monkeypatch.setattr(FakeMachine, "nature", nature, raising=False)
    keeper = Keeper(KeeperSettings(folder, pool_size=1, warm_templates=()))
    foundry = keeper.foundry
    run = folder / "run"
    run.mkdir(exist_ok=True)

    async def start(_progress: Any) -> None:
        foundry._instance = Instance(run)
        foundry._built = {"base": BuiltEnvironment(BASE, folder / "base-1", "")}
        foundry._space = foundry._open_space(foundry._instance.name)
        foundry._parents = FakeParents(nature)  # type: ignore[assignment]

    monkeypatch.setattr(foundry, "start", start)
    await keeper.start(lambda _share, _message: None)
    return keeper


async def crash(keeper: Keeper, nature: Nature) -> None:
    """Leave everything as kill -9 does: nothing more is done, locks are free, machines are gone."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    keeper.foundry.space.close()
    keeper.workshop._made_with.space.close()
    assert keeper.foundry._instance is not None
    keeper.foundry._instance.close()
    for machine in list(nature.machines):
        machine._on_end.clear()
        machine.die()
        machine._release()
