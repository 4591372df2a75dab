"""Writing into a volume that has no room."""

import os

import pytest

from capibara6_sandbox.errors import BadRequestError, DiskFullError
from capibara6_sandbox.gateway.volumes import _write_all
from capibara6_sandbox.host.shared_descriptor import SharedDescriptor


def test_a_full_disk_is_told_as_such() -> None:
    file = SharedDescriptor(os.open("/dev/full", os.O_WRONLY))
    try:
        with pytest.raises(DiskFullError, match=r"'/file': no space left"):
            _write_all(file, b"x", "/file")
    finally:
        file.close()


def test_another_failure_is_told_by_its_name() -> None:
    reading, writing = os.pipe()
    try:
        with pytest.raises(BadRequestError, match=r"'/file': Bad file descriptor"):
            _write_all(SharedDescriptor(reading), b"x", "/file")
    finally:
        os.close(reading)
        os.close(writing)
