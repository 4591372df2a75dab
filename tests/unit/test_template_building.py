"""Building templates side by side: nobody removes what another one is building."""

from pathlib import Path

import pytest

from capibara6_sandbox.templates import build as building
from capibara6_sandbox.templates.build import BuiltEnvironment, build
from capibara6_sandbox.templates.catalog import Environment

EMPTY = Environment("empty", "")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(built: BuiltEnvironment, aside: Path, progress: object) -> None:
        (aside / "made").write_text(built.id)

    monkeypatch.setattr(building, "_fill", fill)


def test_an_environment_is_built_once(tmp_path: Path) -> None:
    first = build(EMPTY, tmp_path, lambda *_: None)
    made = (first.folder / "made").stat()
    second = build(EMPTY, tmp_path, lambda *_: None)
    assert second == first
    assert (second.folder / "made").stat() == made


def test_leftovers_of_a_killed_build_are_removed(tmp_path: Path) -> None:
    built = build(EMPTY, tmp_path, lambda *_: None)
    (built.folder / "made").unlink()
    built.folder.rmdir()
    left = tmp_path / f".building-{built.id}-killed"
    left.mkdir()
    build(EMPTY, tmp_path, lambda *_: None)
    assert not left.exists()


def test_another_builds_folder_is_left_alone(tmp_path: Path) -> None:
    """Of another version of the same environment: it holds another lock."""
    other = tmp_path / ".building-empty-0123456789ab-running"
    other.mkdir()
    build(EMPTY, tmp_path, lambda *_: None)
    assert other.exists()


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(building, "_fill", fail)
    with pytest.raises(OSError, match="disk"):
        build(EMPTY, tmp_path, lambda *_: None)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
