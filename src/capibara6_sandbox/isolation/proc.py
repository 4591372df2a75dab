"""What of /proc a sandbox gets: its processes, and of the machine what programs count with.

Much of the rest is out of reach by its owner already, who is nobody inside. This is the second
layer, which holds for root of the sandbox too. Standard library only: the nursery imports this.
"""

import functools
import os
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
assert "null" in DEVICES


def mount_proc(target: str, boot_id: str) -> None:
    """Mount a /proc of the caller's PID namespace, reduced, with a boot id of its own.

    The view of `views` and its /stage must be in sight.

    Raises:
        OSError: a mount was refused.
    """
    mounts.mount("proc", target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name, nothing in covers():
        mounts.mount(nothing, f"{target}/{name}", None, MS_BIND)
    _freeze_settings(f"{target}/sys", boot_id)


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
    fd = os.open("/stage/boot_id", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
    os.write(fd, f"{boot_id}\n".encode())  # thrice as quick as a file of Python's
    os.close(fd)
    mounts.mount("/stage/boot_id", f"{settings}/kernel/random/boot_id", None, MS_BIND)
    mounts.set_mount_attributes(settings, READ_ONLY)
