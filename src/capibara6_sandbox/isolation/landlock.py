"""Landlock: a wall around the programs of a sandbox that no namespace and no filter takes part in.

The agent puts itself behind it before it serves, and all that it starts inherits it: commands,
terminals, whatever runs as root of the sandbox, kernels of all languages but Python. Behind it
nothing can be mounted, no device be made, and no process outside the agent's own tree be looked
into by its files in /proc. Python kernels cannot have it, and why there are no scopes: ADR 38.

Standard library only: the nursery imports this. Source: the kernel's userspace-api/landlock.
"""

import ctypes
import os
from typing import Final

from capibara6_sandbox.isolation import linux
from capibara6_sandbox.isolation.libc import checked, libc

ABI_NEEDED: Final = 2  # before, every link and rename from one directory to another was refused

# The newer numbers are the same everywhere.
_SYS_CREATE_RULESET: Final = 444
_SYS_ADD_RULE: Final = 445
_SYS_RESTRICT_SELF: Final = 446
_TELL_ABI: Final = 1
_PATH_BENEATH: Final = 1

_MAKE_CHAR: Final = 1 << 6
_MAKE_BLOCK: Final = 1 << 11
_REFER: Final = 1 << 13  # to link and rename across directories
_HANDLED: Final = _MAKE_CHAR | _MAKE_BLOCK | _REFER
_EVERYTHING: Final = (1 << 14) - 1  # that files know in ABI 2


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled_access_fs", ctypes.c_uint64),)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def offered_abi() -> int:
    """Return the version of Landlock that this kernel offers; 0 if it offers none."""
    return max(0, int(libc.syscall(_SYS_CREATE_RULESET, None, 0, _TELL_ABI)))


def restrict_to(folder: str) -> bool:
    """Put this process, and all it will start, behind the wall; files below `folder` stay as is.

    Returns:
        Whether there is one now: not on kernels without it, which `doctor` tells.

    Raises:
        OSError: the kernel offers it and refused.
    """
    if offered_abi() < ABI_NEEDED:
        return False
    ruleset = _create_ruleset(_HANDLED)
    try:
        _allow(ruleset, folder, _REFER)
        _enter(ruleset)
    finally:
        os.close(ruleset)
    return True


def renounce_files() -> bool:
    """Open, make and change no file any more by a path: neither this process nor what it starts.

    Returns, raises: as `restrict_to`.
    """
    if offered_abi() < ABI_NEEDED:
        return False
    ruleset = _create_ruleset(_EVERYTHING)
    try:
        _enter(ruleset)
    finally:
        os.close(ruleset)
    return True


def _create_ruleset(handled: int) -> int:
    wanted = _Ruleset(handled_access_fs=handled)
    size = ctypes.c_size_t(ctypes.sizeof(wanted))
    result = libc.syscall(_SYS_CREATE_RULESET, ctypes.byref(wanted), size, 0)
    return checked(result, "landlock_create_ruleset")


def _allow(ruleset: int, folder: str, access: int) -> None:
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        rule = _PathBeneath(allowed_access=access, parent_fd=fd)
        result = libc.syscall(_SYS_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
        checked(result, "landlock_add_rule")
    finally:
        os.close(fd)


def _enter(ruleset: int) -> None:
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    checked(libc.syscall(_SYS_RESTRICT_SELF, ruleset, 0), "landlock_restrict_self")
