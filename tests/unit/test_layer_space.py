"""Saved layers: what is said to be kept has been forced to the disk."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from capibara6_sandbox.errors import LayerError
from capibara6_sandbox.host.layer_space import LayerSpace
from capibara6_sandbox.host.records import Records, SecretRecord
from capibara6_sandbox.host.zygotes import ZygoteError
from capibara6_sandbox.isolation import linux


async def test_a_disk_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = LayerSpace(tmp_path, "sandboxes")
    await space.settle()

    def fail(fd: int) -> None:
        raise OSError(5, "syncfs: Input/output error")

    monkeypatch.setattr(linux, "sync_file_system", fail)
    with pytest.raises(LayerError, match=r"could not be written to the disk.*Input/output"):
        await space.settle()
    space.close()


class DeadNursery:
    """It has ended: whatever it is asked, there is no answer."""

    async def request(self, order: dict[str, Any], fds: Sequence[int]) -> dict[str, Any]:
        raise ZygoteError("the nursery has ended")


async def test_nothing_is_left_of_a_layer_over_which_the_nursery_ends(tmp_path: Path) -> None:
    space = LayerSpace(tmp_path, "sandboxes")
    nursery: Any = DeadNursery()
    upper = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(LayerError, match="the nursery has ended"):
        await space.save(nursery, upper, 0, ())
    os.close(upper)
    assert space.everything() == []
    (tmp_path / "sandboxes/whole/tree/below").mkdir(parents=True)
    (tmp_path / "sandboxes/whole/tree/out").symlink_to(tmp_path)
    await space.discard(nursery, ["sandboxes/whole", "sandboxes/never"])
    assert space.everything() == []
    space.close()


def test_a_record_and_its_name_are_forced_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[str] = []
    monkeypatch.setattr(
        "os.fsync", lambda fd: forced.append(Path(f"/proc/self/fd/{fd}").readlink().name)
    )
    record = SecretRecord.model_validate(
        {
            "id": "a",
            "name": "n",
            "value": "v",
            "version": 1,
            "metadata": {},
            "created_at": "2030-01-01T00:00:00Z",
            "updated_at": "2030-01-01T00:00:00Z",
        }
    )
    Records(tmp_path / "records", SecretRecord).write(record)
    assert forced == [".a", "records"]
