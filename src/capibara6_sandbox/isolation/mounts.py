"""Mounts: system calls that Python's standard library lacks, as functions that raise OSError.

Standard library only: zygotes import this. Sources: the man pages of each call; constants from the
kernel's uapi headers.
"""

import ctypes
import os
from typing import Final

from capibara6_sandbox.isolation.libc import MACHINE, checked, libc

MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MNT_DETACH: Final = 2

_SYS_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41}
_SYS_OPEN_TREE: Final = 428  # the newer numbers are the same everywhere
_SYS_MOVE_MOUNT: Final = 429
_SYS_MOUNT_SETATTR: Final = 442
_AT_FDCWD: Final = -100
_AT_RECURSIVE: Final = 0x8000
_AT_EMPTY_PATH: Final = 0x1000
_OPEN_TREE_CLONE: Final = 1
_MOVE_MOUNT_F_EMPTY_PATH: Final = 4


def mount(
    source: str, target: str, kind: str | None = None, flags: int = 0, options: str = ""
) -> None:
    """Mount a file system, or change a mount; see its man page."""
    result = libc.mount(
        source.encode(),
        target.encode(),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        options.encode(),
    )
    checked(result, f"mount {kind or 'bind'} on {target}")


def umount(target: str, flags: int = 0) -> None:
    """Unmount: umount2(2)."""
    checked(libc.umount2(target.encode(), flags), f"umount {target}")


class _MountAttributes(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")
    )


MOUNT_ATTR_RDONLY: Final = 0x1
MOUNT_ATTR_NOSUID: Final = 0x2
MOUNT_ATTR_NODEV: Final = 0x4
_MOUNT_ATTR_IDMAP: Final = 0x00100000


def set_mount_attributes(target: str, attributes: int, *, recursive: bool = True) -> None:
    """mount_setattr(2): add attributes to a mount, by default to all below it too."""
    wanted = _MountAttributes(attr_set=attributes)
    result = libc.syscall(
        _SYS_MOUNT_SETATTR,
        _AT_FDCWD,
        target.encode(),
        _AT_RECURSIVE if recursive else 0,
        ctypes.byref(wanted),
        ctypes.sizeof(wanted),
    )
    checked(result, f"mount_setattr {target}")


def mapped_mount(path: str, attributes: int, user_namespace: int | None) -> int:
    """Return the descriptor of a detached mount of `path`, its ids mapped by a user namespace.

    None maps none.

    Needs Linux 5.12 and a file system that offers it; 5.19 where overlayfs shall use it.
    """
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC
    fd = checked(libc.syscall(_SYS_OPEN_TREE, _AT_FDCWD, path.encode(), flags), f"open_tree {path}")
    if user_namespace is None:
        wanted = _MountAttributes(attr_set=attributes)
    else:
        mapped = attributes | _MOUNT_ATTR_IDMAP
        wanted = _MountAttributes(attr_set=mapped, userns_fd=user_namespace)
    reference, size = ctypes.byref(wanted), ctypes.sizeof(wanted)
    result = libc.syscall(_SYS_MOUNT_SETATTR, fd, b"", _AT_EMPTY_PATH, reference, size)
    if result < 0:
        number = ctypes.get_errno()
        os.close(fd)
        raise OSError(number, f"mounting {path}: {os.strerror(number)}")
    return fd


def attach_mount(fd: int, target: str) -> None:
    """Put a detached mount into the caller's mount namespace: move_mount(2)."""
    flags = _MOVE_MOUNT_F_EMPTY_PATH
    result = libc.syscall(_SYS_MOVE_MOUNT, fd, b"", _AT_FDCWD, target.encode(), flags)
    checked(result, f"move_mount on {target}")


def change_root(new_root: str) -> None:
    """Make `new_root` (a mount point) the root of this mount namespace and drop the old one."""
    os.chdir(new_root)
    checked(libc.syscall(_SYS_PIVOT_ROOT[MACHINE], b".", b"."), "pivot_root")
    umount(".", MNT_DETACH)
    os.chdir("/")
