"""Which folders of volumes a server keeps at its start."""

import asyncio
from pathlib import Path

import pytest

from capibara6_sandbox.host import volumes as module
from capibara6_sandbox.host.volumes import Volumes


@pytest.fixture(autouse=True)
def _unprivileged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "has_id_ranges", lambda: False)


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def _restarted(folder: Path) -> Volumes:
    async def start() -> Volumes:
        volumes = Volumes(folder)
        volumes.remove_strays()
        if volumes._removals:
            await asyncio.wait(volumes._removals)
        return volumes

    return asyncio.run(start())


def test_what_a_create_that_died_half_way_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volumes = Volumes(tmp_path)
    kept = volumes.create("kept")
    (volumes.tree(kept.id) / "file").write_text("x")
    monkeypatch.setattr(volumes._records, "write", _die)
    with pytest.raises(KeyboardInterrupt):
        volumes.create("half")
    assert len(list(tmp_path.iterdir())) == 3
    again = _restarted(tmp_path)
    assert [volume.name for volume in again.all()] == ["kept"]
    assert {path.name for path in tmp_path.iterdir()} == {"records", kept.id}
    assert (again.tree(kept.id) / "file").read_text() == "x"


def test_files_whose_record_is_damaged_are_kept(tmp_path: Path) -> None:
    volumes = Volumes(tmp_path)
    record = volumes.create("damaged")
    (volumes.tree(record.id) / "file").write_text("x")
    (tmp_path / "records" / f"{record.id}.json").write_text("{")
    again = _restarted(tmp_path)
    assert not list(again.all())
    assert (again.tree(record.id) / "file").read_text() == "x"


def test_what_is_no_volume_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir(parents=True)
    (tmp_path / "0f5f0c1e-6f6b-4c8e-9d6e-0a4f9a1c2b3d").write_text("a file")
    _restarted(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
