"""Folders of layers are marked as tops of hierarchies where the disk knows that mark."""

import array
import fcntl
import os
from pathlib import Path

import pytest

from capibara6_sandbox.host.layer_space import LayerSpace
from capibara6_sandbox.host.placement import spread

_FS_IOC_GETFLAGS = 0x80086601
_FS_TOPDIR_FL = 0x00020000


def _is_marked(folder: Path) -> bool:
    flags = array.array("i", [0])
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, _FS_IOC_GETFLAGS, flags)
    except OSError:
        return False
    finally:
        os.close(fd)
    return bool(flags[0] & _FS_TOPDIR_FL)


def test_what_is_said_to_be_marked_is(tmp_path: Path) -> None:
    for _ in range(2):
        assert spread(tmp_path) is _is_marked(tmp_path)


def test_a_space_of_layers_is_marked_where_it_can_be(tmp_path: Path) -> None:
    space = LayerSpace(tmp_path / "layers", "sandboxes")
    try:
        assert _is_marked(space.folder) is spread(tmp_path)
    finally:
        space.close()


def test_a_folder_that_is_gone_is_no_matter_of_its_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        spread(tmp_path / "gone")
