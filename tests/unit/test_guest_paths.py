import pytest

from capibara6_guest.paths import make_directories, resolve
from capibara6_guest.users import User
from capibara6_guest.wire import CallError

ANA = User("ana", 1000, 1000, "/home/ana", "/bin/bash")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", "/home/ana"),
        (".", "/home/ana"),
        ("~", "/home/ana"),
        ("~/a", "/home/ana/a"),
        ("~//a", "/home/ana/a"),
        ("a/b", "/home/ana/a/b"),
        ("a/../../b", "/home/b"),
        ("/", "/"),
        ("//", "/"),
        ("/a/", "/a"),
        ("/link/../a", "/link/../a"),  # where that leads is the kernel's to say
    ],
)
def test_paths_are_resolved(path, expected):
    assert resolve(path, ANA) == expected


@pytest.mark.parametrize("path", ["~bob/a", "a\0b"])
def test_paths_that_mean_nothing_are_refused(path):
    with pytest.raises(CallError, match="invalid_argument"):
        resolve(path, ANA)


def test_directories_are_made_where_missing(tmp_path):
    make_directories(str(tmp_path / "a" / "b"))
    make_directories(str(tmp_path / "a" / "b" / "c"))
    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CallError, match="file' is not a directory"):
        make_directories(str(tmp_path / "file"))
    with pytest.raises(NotADirectoryError):
        make_directories(str(tmp_path / "file" / "inner"))
