"""What programs could change of the whole machine, read before and after each of them."""

import contextlib
import os
import time
from pathlib import Path
from typing import Final

_KERNEL: Final = (
    "kernel/core_pattern", "kernel/core_uses_pid", "kernel/hostname", "kernel/domainname",
    "kernel/modprobe", "kernel/hotplug", "kernel/sysrq", "kernel/panic", "kernel/printk",
    "kernel/randomize_va_space", "kernel/kptr_restrict", "kernel/dmesg_restrict", "kernel/tainted",
    "kernel/perf_event_paranoid", "kernel/unprivileged_bpf_disabled", "kernel/yama/ptrace_scope",
    "kernel/pid_max", "kernel/threads-max", "kernel/shmmax", "kernel/io_uring_disabled",
    "vm/overcommit_memory", "vm/swappiness", "vm/panic_on_oom", "vm/mmap_min_addr",
    "fs/protected_hardlinks", "fs/protected_symlinks", "fs/suid_dumpable", "fs/file-max",
    "net/ipv4/ip_forward", "user/max_user_namespaces",
)  # fmt: skip
# Of folders, which others change too, only what hostile programs would put there.
_LEFT: Final = ("/", "/etc", "/usr/bin", "/usr/lib", "/root", "/home", "/var", "/opt")
_WATCHED: Final = (
    *("/etc/passwd", "/etc/hostname", "/etc/hosts", "/etc/ld.so.preload"),
    *("/usr/bin/env", "/usr/bin/sh", "/usr/bin/python3"),
    *(f"{folder.rstrip('/')}/c6-attack" for folder in _LEFT),
)
_IPC_KEY: Final = str(0xC6C6)  # of what hostile programs share
_CLOCK_STEP_S: Final = 2.0


class Settings:
    """A reading of the machine's settings.

    Args:
        places: files and folders whose change is one of the machine.
    """

    def __init__(self, places: tuple[Path, ...]) -> None:
        self._places = (*(Path(path) for path in _WATCHED), *places)
        self._read = self._look()
        self._clock_s = time.time() - time.monotonic()

    def changes(self) -> list[str]:
        """Return what is different since the last call, for people."""
        now, clock_s = self._look(), time.time() - time.monotonic()
        found = [
            f"{name} of this machine changed from {before!r} to {now.get(name)!r}"
            for name, before in self._read.items()
            if now.get(name) != before
        ]
        if abs(clock_s - self._clock_s) > _CLOCK_STEP_S:
            found.append(f"this machine's clock was moved by {clock_s - self._clock_s:.0f} s")
        for name in _KERNEL:
            if now[name] != self._read[name]:
                _write_back(name, self._read[name])
        self._read, self._clock_s = self._look(), clock_s
        return found

    def _look(self) -> dict[str, str]:
        found = {name: _first_line(Path("/proc/sys", name)) for name in _KERNEL}
        found |= {str(place): _identity(place) for place in self._places}
        found["swap"] = _first_line(Path("/proc/swaps"), 4096)
        for kind in ("shm", "msg", "sem"):
            lines = _first_line(Path("/proc/sysvipc", kind), 1 << 20).splitlines()
            found[f"sysvipc {kind}"] = str([line for line in lines if line.split()[0] == _IPC_KEY])
        return found


def _write_back(name: str, value: str) -> None:
    """Undo the change of a setting, if we may."""
    with contextlib.suppress(OSError):
        Path("/proc/sys", name).write_text(value)


def _first_line(path: Path, size: int = 512) -> str:
    try:
        with path.open("rb") as file:
            return file.read(size).decode("latin-1").strip()
    except OSError:
        return ""


def _identity(path: Path) -> str:
    try:
        status = os.lstat(path)
    except OSError:
        return ""
    return (
        f"{status.st_ino} {status.st_mode:o} {status.st_uid} {status.st_mtime_ns} {status.st_size}"
    )
