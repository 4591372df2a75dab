"""What of /proc a sandbox gets: its processes, and of the machine what programs count with.

Much of the rest is out of reach by its owner already, who is nobody inside. This is the second
layer, which holds for root of the sandbox too. Standard library only: the nursery imports this.
"""

import functools
import os
import resource
from collections.abc import Mapping
from typing import Final

from capibara6_sandbox.isolation import mounts
from capibara6_sandbox.isolation.mounts import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID
from capibara6_sandbox.isolation.views import DEVICES, READ_ONLY

# Read as empty: memory, keys and tables of the kernel, its settings at start, its devices. Few:
# each costs a sandbox's start 10 microseconds.
EMPTY_FILES: Final = (
    "cmdline", "config.gz", "interrupts", "iomem", "ioports", "kallsyms", "kcore", "key-users",
    "keys", "kmsg", "latency_stats", "modules", "sched_debug", "sysrq-trigger", "timer_list",
)  # fmt: skip
EMPTY_FOLDERS: Final = ("acpi", "asound", "bus", "driver", "fs", "irq", "scsi")
_NOTHING: Final = "/dev/null"
_NO_FOLDER: Final = "/none"  # of the view
_QUEUES_MAX: Final = 128  # of System V, of 16 KiB each
_SEMAPHORES_MAX: Final = "250 8192 100 128"  # of an array, of all, operations at once, arrays
assert "null" in DEVICES


def mount_proc(target: str, boot_id: str, ipc: Mapping[str, str]) -> None:
    """Mount a /proc of the caller's PID namespace, reduced.

    The view of `views` and its /stage must be in sight.

    Args:
        target: where.
        boot_id: what covers the host's.
        ipc: settings of the IPC namespace.

    Raises:
        OSError: a mount was refused.
    """
    mounts.mount("proc", target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name, nothing in covers():
        mounts.mount(nothing, f"{target}/{name}", None, MS_BIND)
    for name, value in ipc.items():
        _write(f"{target}/sys/kernel/{name}", value, os.O_WRONLY)
    _freeze_settings(f"{target}/sys", boot_id)


def ipc_settings(shm_bytes: int) -> dict[str, str]:
    """Return what bounds System V shared memory, queues and semaphores.

    They outlive the programs that made them: without a bound below the sandbox's own memory, what a
    program leaves behind would have every later one ended for lack of memory. Only for who is root
    of an IPC namespace, and so neither for live forks nor for servers that have a single id.
    """
    pages = shm_bytes // resource.getpagesize()
    return {"shmall": str(pages), "msgmni": str(_QUEUES_MAX), "sem": _SEMAPHORES_MAX}


@functools.cache
def covers() -> tuple[tuple[str, str], ...]:
    """Return what this kernel has of the above, and what covers it; asked once for all forks."""
    there = set(os.listdir("/proc"))
    wanted = [(name, _NOTHING) for name in EMPTY_FILES]
    wanted += [(name, _NO_FOLDER) for name in EMPTY_FOLDERS]
    return tuple((name, nothing) for name, nothing in wanted if name in there)


def _freeze_settings(settings: str, boot_id: str) -> None:
    """Let nobody inside change a setting, and cover the host's boot id.

    That would tell sandboxes that they share a host.
    """
    mounts.mount(settings, settings, None, MS_BIND)
    _write("/stage/boot_id", boot_id, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    mounts.mount("/stage/boot_id", f"{settings}/kernel/random/boot_id", None, MS_BIND)
    mounts.set_mount_attributes(settings, READ_ONLY)


def _write(path: str, line: str, flags: int) -> None:
    fd = os.open(path, flags | os.O_CLOEXEC)  # thrice as quick as a file of Python's
    try:
        os.write(fd, f"{line}\n".encode())
    finally:
        os.close(fd)
