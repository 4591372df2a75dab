"""What a sandbox leaves: processes and groups of this machine, traces in sandboxes made later."""

import contextlib
import os
import signal
from typing import Final

from capibara6_sandbox.attack import insides
from capibara6_sandbox.attack.scene import Scene

# What every new sandbox of a template has in common; without `ls`, which some runtimes break.
FINGERPRINT: Final = """
python=$(readlink -f /opt/venv/bin/python || command -v python3)
cksum "$python" /bin/bash /etc/passwd /etc/ld.so.preload /etc/profile 2>/dev/null
for folder in / /tmp /var/tmp /home/user /dev/shm /root /etc /usr/bin /opt /opt/venv/bin; do
    find "$folder" -mindepth 1 -maxdepth 1 -printf '%P\\n' | sort
done | cksum
find /opt/venv /usr/lib/python3 -maxdepth 5 -name '*.pth' 2>/dev/null | sort
find /opt/capibara6 -type f 2>/dev/null | sort | xargs cat 2>/dev/null | cksum
env | grep -v -e HOST -e PWD -e _ID | sort
find /tmp /home/user /dev/shm /var/tmp -mindepth 1 -maxdepth 1 | sort
"""


def started(pid: int) -> str:
    """Return when a process began: with its id, what tells it from all others."""
    fields = insides.text(pid, "stat").rpartition(")")[2].split()
    return fields[19] if fields else ""


def outlived(before: dict[int, str], scene: Scene) -> list[str]:
    """Return what is still there of a sandbox that was killed, for people."""
    found = [
        f"process {pid} outlived its sandbox"
        for pid, start in before.items()
        if start and started(pid) == start
    ]
    found += [
        f"{folder} outlived its sandbox" for folder in insides.groups(scene.insides.sandbox_id)
    ]
    return found[:3]


def end_outlived(before: dict[int, str]) -> None:
    """End what outlived its sandbox: nothing of an attack is left on this machine."""
    for pid, start in before.items():
        if start and started(pid) == start:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
