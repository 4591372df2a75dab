"""The files of a volume, with a tree on disk and no sandbox."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara6_sandbox.errors import BadRequestError, ConflictError, NotFoundError
from capibara6_sandbox.host import volume_files
from capibara6_sandbox.host.volume_files import Attributes, VolumeFiles


@pytest.fixture
def files(tmp_path: Path) -> VolumeFiles:
    (tmp_path / "tree").mkdir()
    (tmp_path / "outside").write_text("secret")
    return VolumeFiles(tmp_path / "tree", privileged=False)


def write(files: VolumeFiles, path: str, text: str = "x", *, force: bool = False) -> None:
    fd = files.open_write(path, Attributes(), force=force)
    os.write(fd, text.encode())
    os.close(fd)


def test_what_is_written_is_described_and_listed(files: VolumeFiles) -> None:
    files.make_dir("/a", Attributes(mode=0o700), parents=False)
    write(files, "a/b", "12345")
    told = files.stat("/a//b")
    assert (told["name"], told["path"], told["type"]) == ("b", "/a/b", "file")
    assert (told["size"], told["mode"], told["uid"]) == (5, 0o644, 1000)
    assert [entry["path"] for entry in files.entries("/", 1)] == ["/a"]
    assert [entry["path"] for entry in files.entries("", 2)] == ["/a", "/a/b"]
    assert files.stat("/")["type"] == "directory"


def test_parents_are_made_only_when_asked_for(files: VolumeFiles) -> None:
    with pytest.raises(NotFoundError):
        files.make_dir("/a/b", Attributes(), parents=False)
    with pytest.raises(NotFoundError):
        write(files, "/a/b")
    files.make_dir("/a/b", Attributes(), parents=True)
    files.make_dir("/a/b", Attributes(), parents=True)
    with pytest.raises(ConflictError):
        files.make_dir("/a/b", Attributes(), parents=False)


def test_a_file_is_no_directory(files: VolumeFiles) -> None:
    write(files, "/f")
    for call in (
        lambda: files.entries("/f", 1),
        lambda: files.stat("/f/x"),
        lambda: files.make_dir("/f/x/y", Attributes(), parents=True),
    ):
        with pytest.raises(BadRequestError):
            call()
    with pytest.raises(BadRequestError):
        files.open_read("/")


def test_links_are_not_followed(files: VolumeFiles, tmp_path: Path) -> None:
    (tmp_path / "tree/link").symlink_to(tmp_path / "outside")
    (tmp_path / "tree/up").symlink_to("..")
    for call in (
        lambda: files.open_read("/link"),
        lambda: files.open_read("/up/outside"),
        lambda: write(files, "/link", force=True),
        lambda: files.update("/link", Attributes(mode=0o777)),
        lambda: files.remove("/up/outside"),
    ):
        with pytest.raises(BadRequestError, match="link"):
            call()
    assert files.stat("/up")["target"] == ".."
    files.remove("/up")
    assert (tmp_path / "outside").read_text() == "secret"


def test_a_tree_is_removed_but_not_what_its_links_lead_to(
    files: VolumeFiles, tmp_path: Path
) -> None:
    files.make_dir("/a/b", Attributes(), parents=True)
    (tmp_path / "tree/a/b/link").symlink_to(tmp_path)
    files.remove("/a")
    assert (tmp_path / "outside").exists()
    with pytest.raises(NotFoundError):
        files.remove("/a")


def test_a_listing_is_bounded(files: VolumeFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume_files, "ENTRIES_MAX", 3)
    for name in "abcd":
        write(files, name)
    with pytest.raises(BadRequestError, match="more than 3"):
        files.entries("/", 1)


def test_without_root_files_can_be_given_to_nobody_else(files: VolumeFiles) -> None:
    write(files, "/f")
    with pytest.raises(BadRequestError, match="uid"):
        files.update("/f", Attributes(uid=0))
    assert files.update("/f", Attributes(uid=1000, mode=0o4777))["mode"] == 0o777


@given(st.text(st.sampled_from("./a\0é\ud800-"), max_size=12))
def test_no_path_leaves_the_tree(path: str) -> None:
    files = VolumeFiles(Path("/usr/share"), privileged=False)
    try:
        told = files.stat(path)
    except (BadRequestError, NotFoundError):
        return
    assert told["path"].startswith("/")
    assert ".." not in told["path"]
