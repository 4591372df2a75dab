"""Saving layers: nothing is lost on the way, and nothing reached that lies outside."""

import os
import socket
import stat
from pathlib import Path

import pytest

from capibara6_sandbox.isolation.layers import DEPTH_MAX, OPAQUE, LayerCopy, Owners
from support.privileges import needs_root

HERE = Owners(kept=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def copy(source: Path, target: Path, owners: Owners = HERE) -> dict[str, int]:
    reading = os.open(source, os.O_RDONLY | os.O_DIRECTORY)
    writing = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return LayerCopy(reading, writing, owners).run()
    finally:
        os.close(reading)
        os.close(writing)


def whiteout(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR, 0)


def is_whiteout(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def test_contents_modes_times_and_attributes_go_along(source: Path, target: Path) -> None:
    file = source / "a"
    file.write_bytes(b"text")
    file.chmod(0o4751)
    os.setxattr(file, "user.e2b.k", b"v")
    os.utime(file, ns=(1, 2))
    (source / "d").mkdir()
    (source / "d").chmod(0o1777)
    os.utime(source / "d", ns=(3, 4))
    done = copy(source, target)
    copied = (target / "a").stat()
    assert (target / "a").read_bytes() == b"text"
    assert stat.S_IMODE(copied.st_mode) == 0o4751
    assert copied.st_mtime_ns == 2
    assert os.getxattr(target / "a", "user.e2b.k") == b"v"
    assert stat.S_IMODE((target / "d").stat().st_mode) == 0o1777
    assert (target / "d").stat().st_mtime_ns == 4
    assert done["inodes"] == 2


def test_links_are_copied_and_never_followed(source: Path, target: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (source / "to_folder").symlink_to(outside)
    (source / "to_file").symlink_to(outside / "secret")
    copy(source, target)
    assert (target / "to_folder").readlink() == outside
    assert (target / "to_file").is_symlink()
    assert list(outside.iterdir()) == [outside / "secret"]


def test_a_link_in_the_target_is_replaced_not_followed(
    source: Path, target: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("f", "d"):
        (target / name).symlink_to(outside)
    (source / "f").write_text("own")
    (source / "d").mkdir()
    (source / "d/x").write_text("own")
    copy(source, target)
    assert list(outside.iterdir()) == []
    assert (target / "d/x").read_text() == "own"
    assert (target / "f").read_text() == "own"


def test_hard_links_stay_one_file(source: Path, target: Path) -> None:
    (source / "d").mkdir()
    (source / "d/a").write_text("1")
    (source / "b").hardlink_to(source / "d/a")
    copy(source, target)
    assert (target / "b").samefile(target / "d/a")


def test_holes_stay_holes(source: Path, target: Path) -> None:
    with (source / "sparse").open("wb") as file:
        file.seek(1 << 30)
        file.write(b"end")
        file.truncate(1 << 31)
    copy(source, target)
    copied = (target / "sparse").stat()
    assert copied.st_size == 1 << 31
    assert copied.st_blocks * 512 < 1 << 20
    with (target / "sparse").open("rb") as file:
        file.seek(1 << 30)
        assert file.read(3) == b"end"


def test_pipes_and_sockets_are_made_not_opened(source: Path, target: Path) -> None:
    os.mkfifo(source / "pipe", 0o640)
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(source / "s"))
        copy(source, target)
    assert stat.S_ISFIFO((target / "pipe").lstat().st_mode)
    assert stat.S_IMODE((target / "pipe").lstat().st_mode) == 0o640
    assert stat.S_ISSOCK((target / "s").lstat().st_mode)


def test_names_that_are_no_utf8(source: Path, target: Path) -> None:
    raw = os.fsencode(source) + b"/\xff\xfe"
    with open(raw, "wb"):
        pass
    copy(source, target)
    assert os.listdir(os.fsencode(target)) == [b"\xff\xfe"]


def test_whiteouts_and_opaque_directories_go_along(source: Path, target: Path) -> None:
    whiteout(source / "gone")
    (source / "fresh").mkdir()
    os.setxattr(source / "fresh", OPAQUE, b"y")
    os.setxattr(source / "fresh", "user.overlay.origin", b"handle")
    copy(source, target)
    assert is_whiteout(target / "gone")
    assert os.listxattr(target / "fresh") == [OPAQUE]


def test_a_second_layer_is_joined_to_the_first(source: Path, target: Path) -> None:
    (target / "merged").mkdir()
    (target / "merged/old").write_text("old")
    (target / "removed").mkdir()
    (target / "removed/x").write_text("x")
    (target / "replaced").mkdir()
    (target / "replaced/x").write_text("x")
    (target / "file").write_text("first")
    whiteout(target / "back")
    (source / "merged").mkdir()
    (source / "merged/new").write_text("new")
    whiteout(source / "removed")
    (source / "replaced").mkdir()
    os.setxattr(source / "replaced", OPAQUE, b"y")
    (source / "file").write_text("second")
    (source / "back").mkdir()
    copy(source, target)
    assert sorted(path.name for path in (target / "merged").iterdir()) == ["new", "old"]
    assert is_whiteout(target / "removed")
    assert list((target / "replaced").iterdir()) == []
    assert (target / "file").read_text() == "second"
    assert (target / "back").is_dir()


def test_nesting_beyond_the_limit_is_refused(source: Path, target: Path) -> None:
    deep = os.open(source, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(DEPTH_MAX + 1):
        os.mkdir("d", dir_fd=deep)
        below = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(deep)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match=f"deeper than {DEPTH_MAX}"):
        copy(source, target)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("owners", "given", "expected"),
    [
        (Owners.leaving(1 << 30), (1 << 30) + 1000, 1000),
        (Owners.leaving(1 << 30), 0, 65_534),  # the host's own: nobody's, as a sandbox sees it
        (Owners.leaving(1 << 30), (1 << 30) + 65_536, 65_534),
        (Owners.entering(1 << 30), 1000, (1 << 30) + 1000),
        (Owners.entering(1 << 30), 70_000, (1 << 30) + 65_534),
    ],
)
def test_owners_stay_in_their_range(owners: Owners, given: int, expected: int) -> None:
    assert owners.of(given) == expected


@needs_root("it gives files away")
def test_owners_are_stored_as_the_sandbox_sees_them(source: Path, target: Path) -> None:
    (source / "f").write_text("x")
    os.chown(source / "f", (1 << 30) + 1000, (1 << 30) + 5)
    copy(source, target, Owners.leaving(1 << 30))
    status = (target / "f").stat()
    assert (status.st_uid, status.st_gid) == (1000, 5)
