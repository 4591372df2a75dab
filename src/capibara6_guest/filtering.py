"""Taking on the filter of system calls that the server has made for this sandbox.

Only where a container runtime has started the agent: a fork of the nursery has it already.
"""

import ctypes
import os
from pathlib import Path
from typing import Final

FILTER_NAME: Final = "filter"
_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2
_INSTRUCTION_BYTES: Final = 8


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def take_filter(path: Path) -> None:
    """Install the filter in a file, for this process and all it will start, and remove the file.

    Raises:
        OSError: there is none, or the kernel refused it.
    """
    code = path.read_bytes()
    path.unlink()
    program = _Program(len(code) // _INSTRUCTION_BYTES, code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {os.strerror(number)}")
