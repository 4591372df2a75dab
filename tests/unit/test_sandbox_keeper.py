"""A keeper whose machine refuses something: clear errors, and nothing lost over time."""

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from capibara6_sandbox.errors import LayerError, StartError
from capibara6_sandbox.host.instance import Instance
from capibara6_sandbox.host.keeper import Keeper
from capibara6_sandbox.host.keeper_settings import KeeperSettings
from capibara6_sandbox.host.layer_space import LayerSpace
from capibara6_sandbox.host.sandbox import Request
from capibara6_sandbox.host.zygotes import ZygoteError
from capibara6_sandbox.templates.build import BuiltEnvironment
from capibara6_sandbox.templates.catalog import BASE, TEMPLATES


class RefusingNursery:
    async def request(self, message: dict[str, Any], fds: list[int]) -> None:
        raise ZygoteError("the nursery: mount overlay: Operation not permitted")


class RefusingParents:
    async def nursery(self) -> RefusingNursery:
        return RefusingNursery()

    async def close(self) -> None:
        """Hold nothing."""


class RefusingGroups:
    def create(self, name: str, limits: object) -> None:
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        """Hold nothing."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A shorter one than pytest's: a socket's path has 107 bytes at most."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def keeper(folder: Path) -> Keeper:
    keeper = Keeper(KeeperSettings(folder, pool_size=0))
    foundry = keeper.foundry
    foundry._instance = Instance(folder)
    foundry._space = LayerSpace(folder / "layers", "sandboxes")
    foundry._parents = RefusingParents()  # type: ignore[assignment]
    foundry._built = {"base": BuiltEnvironment(BASE, folder / "base-1", "")}
    return keeper


def _files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


REQUEST = Request(TEMPLATES["base"], timeout_s=60)


async def test_a_refused_mount_is_told_and_costs_nothing(keeper: Keeper, folder: Path) -> None:
    ranges, files = len(keeper.foundry._ranges), _files(folder)
    for _ in range(3):
        with pytest.raises(StartError, match=r"could not start.*mount overlay"):
            await keeper.create(REQUEST)
    assert len(keeper.foundry._ranges) == ranges
    assert _files(folder) == files
    assert list(keeper.all()) == []
    await keeper.stop()


async def test_a_refused_cgroup_is_told_and_costs_nothing(keeper: Keeper) -> None:
    keeper.foundry._cgroups = RefusingGroups()  # type: ignore[assignment]
    ranges = len(keeper.foundry._ranges)
    with pytest.raises(StartError, match=r"could not start.*No space left"):
        await keeper.create(REQUEST)
    assert len(keeper.foundry._ranges) == ranges
    await keeper.stop()


async def test_saved_files_that_are_gone_are_told_and_cost_nothing(keeper: Keeper) -> None:
    ranges = len(keeper.foundry._ranges)
    template = replace(TEMPLATES["base"], layers=("sandboxes/gone",))
    with pytest.raises(LayerError, match="gone or damaged"):
        await keeper.create(Request(template, timeout_s=60))
    assert len(keeper.foundry._ranges) == ranges
    await keeper.stop()


async def test_a_stopping_server_starts_nothing(keeper: Keeper) -> None:
    await keeper.stop()
    with pytest.raises(StartError, match="stopping"):
        await keeper.create(REQUEST)
    await asyncio.wait_for(keeper.stop(), 5)
