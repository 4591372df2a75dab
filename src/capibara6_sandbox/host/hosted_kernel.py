"""A Python kernel as the server knows it: a process and the gate in front of its system calls."""

import contextlib
import os
import signal
from dataclasses import dataclass

from capibara6_sandbox.host.kernel_gate import KernelGate
from capibara6_sandbox.isolation.processes import process_id


@dataclass(slots=True)
class HostedKernel:
    """A Python kernel's process; whoever replaces or ends it closes `pidfd`."""

    pidfd: int
    gate: KernelGate
    cwd: str

    @property
    def pid(self) -> int:
        """Its id as the host counts; 0 once it has ended."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return process_id(self.pidfd)
        return 0

    def kill(self) -> None:
        """End the process, if it has not ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Forget the process; the gate closes itself."""
        os.close(self.pidfd)
