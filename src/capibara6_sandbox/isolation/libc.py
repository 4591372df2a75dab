"""The C library, and its errors as exceptions. Standard library only: zygotes import this."""

import ctypes
import os
import platform
from typing import Final

libc: Final = ctypes.CDLL(None, use_errno=True)
MACHINE: Final = platform.machine()


def checked(result: int, what: str) -> int:
    """Return what a call returned; raise what it left in errno if it failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
