"""A Python kernel as the server knows it: a process and the gate in front of its system calls."""

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from capibara6_sandbox.host.kernel_gate import KernelGate


@dataclass(slots=True)
class HostedKernel:
    """A Python kernel's process; whoever replaces or ends it closes `pidfd`."""

    pidfd: int
    gate: KernelGate
    cwd: str

    @property
    def pid(self) -> int:
        """Its id as the host counts; 0 once it has ended."""
        return process_id(self.pidfd)

    def close(self) -> None:
        """Forget the process; the gate closes itself."""
        os.close(self.pidfd)


def process_id(pidfd: int) -> int:
    """Return a process's id as the host counts; 0 once it has ended."""
    with contextlib.suppress(FileNotFoundError):
        info = Path(f"/proc/self/fdinfo/{pidfd}").read_text()
        found = re.search(r"^Pid:\s+(\d+)$", info, re.MULTILINE)
        return int(found[1]) if found else 0
    return 0
