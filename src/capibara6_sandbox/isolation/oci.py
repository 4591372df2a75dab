"""A sandbox's container as the OCI runtime specification describes it: `config.json`.

A pure function of what the sandbox is. Source: the Open Container Initiative's runtime-spec 1.0.2.
Standard library only: the nursery imports this.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from capibara6_sandbox.isolation.capabilities import NAMES

VERSION: Final = "1.0.2"

# What no program of a sandbox needs to see of the kernel, where that is the host's.
_MASKED: Final = (
    "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/proc/kallsyms",
)  # fmt: skip
_READ_ONLY: Final = (
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that a container shows somewhere."""

    source: str
    destination: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Container:
    """What a container is made of."""

    root: str  # path of its assembled root file system
    host_name: str
    arguments: tuple[str, ...]  # of its first process
    environment: tuple[str, ...]
    shm_bytes: int
    open_files: tuple[int, int]  # of each process: what it begins with, and what it may raise it to
    folders: Sequence[Folder] = ()


def build_config(container: Container) -> dict[str, Any]:
    """Return what `config.json` says of a container.

    Its network and user namespaces, its cgroups and the size of its files are those of whoever
    starts the runtime.
    """
    return {
        "ociVersion": VERSION,
        "process": _process(container),
        "root": {"path": container.root, "readonly": False},
        "hostname": container.host_name,
        "mounts": [*_kernel_mounts(container.shm_bytes), *map(_mount, container.folders)],
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")],
            "maskedPaths": list(_MASKED),
            "readonlyPaths": list(_READ_ONLY),
        },
    }


def _process(container: Container) -> dict[str, Any]:
    names = sorted(NAMES.values())
    soft, hard = container.open_files
    return {
        "terminal": False,
        "user": {"uid": 0, "gid": 0},
        "args": list(container.arguments),
        "env": list(container.environment),
        "cwd": "/",
        "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), names),
        "noNewPrivileges": True,
        "rlimits": [
            {"type": "RLIMIT_NOFILE", "soft": soft, "hard": hard},
            {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        ],
    }


def _kernel_mounts(shm_bytes: int) -> list[dict[str, Any]]:
    plain = ["nosuid", "noexec", "nodev"]
    terminals = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
    shared = [*plain, "mode=1777", f"size={shm_bytes}"]
    return [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": plain},
        {
            "destination": "/dev",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "strictatime", "mode=755", "size=64k"],
        },
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": terminals},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": shared},  # noqa: S108
    ]


def _mount(folder: Folder) -> dict[str, Any]:
    options = ["rbind", "nosuid", "nodev", "ro" if folder.read_only else "rw"]
    return {
        "destination": folder.destination,
        "type": "bind",
        "source": folder.source,
        "options": options,
    }
