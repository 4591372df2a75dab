"""A descriptor is closed once, and only when no thread is at it."""

import os
import threading
from pathlib import Path

import pytest

from capibara6_sandbox.host.shared_descriptor import SharedDescriptor


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_a_reader_keeps_it_open_until_it_is_done() -> None:
    reading, writing = os.pipe()
    file, heard = SharedDescriptor(reading), []
    reader = threading.Thread(target=lambda: heard.append(file.read(10)))
    reader.start()
    while not file._at_it:
        pass
    file.close()
    assert _is_open(reading)
    os.write(writing, b"late")
    reader.join(10)
    assert heard == [b"late"]
    assert not _is_open(reading)
    os.close(writing)


def test_who_comes_too_late_touches_nothing(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    file = SharedDescriptor(fd)
    file.write(b"first")
    file.close()
    again = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    assert again == fd  # the number has been given to another file
    file.write(b"second")
    file.close()
    assert file.read(10) == b""
    assert os.fstat(again).st_size == 0
    os.close(again)


@pytest.mark.parametrize("size", [0, 5, 100_000])
def test_all_is_written(tmp_path: Path, size: int) -> None:
    file = SharedDescriptor(os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT))
    file.write(b"x" * size)
    assert file.size == size
    file.close()
    assert (tmp_path / "file").stat().st_size == size
