"""Folders are removed however deep they are, and whatever is put into them meanwhile."""

import os
import threading
from pathlib import Path

import pytest

from capibara6_sandbox.host import tree_removal
from capibara6_sandbox.host.tree_removal import remove_tree


@pytest.fixture
def parent(tmp_path: Path) -> int:
    return os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)


def _dig(top: Path, depth: int) -> None:
    top.mkdir()
    fd = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=fd)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)


@pytest.mark.parametrize("depth", [0, 1, 2, 3000])
def test_it_is_removed_however_deep(tmp_path: Path, parent: int, depth: int) -> None:
    _dig(tmp_path / "top", depth)
    remove_tree(parent, "top")
    assert list(tmp_path.iterdir()) == []


def test_links_are_removed_and_not_what_they_lead_to(tmp_path: Path, parent: int) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("kept")
    (tmp_path / "top/a").mkdir(parents=True)
    (tmp_path / "top/a/out").symlink_to(tmp_path / "kept")
    (tmp_path / "top/out").symlink_to(tmp_path / "kept")
    os.mkfifo(tmp_path / "top/pipe")
    remove_tree(parent, "top")
    assert (tmp_path / "kept/file").read_text() == "kept"
    assert not (tmp_path / "top").exists()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    with pytest.raises(NotADirectoryError):
        remove_tree(parent, "link")


def test_what_is_added_meanwhile_goes_too(tmp_path: Path, parent: int) -> None:
    (tmp_path / "top/a/b/c").mkdir(parents=True)
    removed = threading.Event()

    def add() -> None:
        for number in range(200):
            for place in ("top", "top/a", "top/a/b"):
                try:
                    (tmp_path / place / f"new{number}").mkdir()
                    (tmp_path / place / f"new{number}/file").write_text("x")
                except OSError:
                    return

    adding = threading.Thread(target=add)
    adding.start()
    while not removed.is_set():
        try:
            remove_tree(parent, "top")
        except OSError:  # it was filled anew in the last moment
            adding.join()
        else:
            removed.set()
    adding.join()
    assert not (tmp_path / "top").exists()


def test_who_never_stops_adding_does_not_keep_us(
    tmp_path: Path, parent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_removal, "REMOVED_MAX", 10)
    _dig(tmp_path / "top", 30)
    with pytest.raises(OSError, match="more than 10 entries"):
        remove_tree(parent, "top")
