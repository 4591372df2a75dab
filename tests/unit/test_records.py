"""Records on disk: bounded in number, and changed though there is room for no other."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from capibara6_sandbox.host import records
from capibara6_sandbox.host.records import Records, VolumeRecord


def _record(record_id: str, name: str = "data") -> VolumeRecord:
    return VolumeRecord(id=record_id, name=name, token="t", created_at=datetime.now(UTC))


def test_there_are_only_so_many_and_these_may_still_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "RECORDS_MAX", 2)
    kept = Records(tmp_path, VolumeRecord)
    kept.write(_record("a"))
    kept.write(_record("b"))
    with pytest.raises(OSError, match="remove some"):
        kept.write(_record("c"))
    kept.write(_record("a", "other"))
    assert [(record.id, record.name) for record in kept.load()] == [("a", "other"), ("b", "data")]


def test_one_that_is_damaged_is_left_where_it_is(tmp_path: Path) -> None:
    kept = Records(tmp_path, VolumeRecord)
    kept.write(_record("a"))
    (tmp_path / "b.json").write_text("{")
    assert [record.id for record in kept.load()] == ["a"]
    assert (tmp_path / "b.json").exists()
