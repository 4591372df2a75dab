"""The gate of a Python kernel: which of its calls of `setns` may go on.

None, but while the server itself has ordered a live fork: then as many as a fork needs, of one
child of the kernel. The kernels that were forked from one another share a filter, and so a gate.
"""

import asyncio
import contextlib
import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

from capibara6_sandbox.isolation import notifications
from capibara6_sandbox.zygote.nested import JOINED

_CALLS_A_WAKE_MAX: Final = 16
_REST_S: Final = 0.001  # which bounds refusals to a thousand a second


class ForkOrder:
    """One fork of one kernel.

    Args:
        kernel: its process, as we count.
        prepare: is told the process that the kernel sends, before that may do anything.
    """

    def __init__(self, kernel: int, prepare: Callable[[int], None]) -> None:
        self._kernel = kernel
        self._prepare = prepare
        self._process = 0
        self._pidfd = -1  # of that process, which waits for our answer while it is opened
        self._left = len(JOINED)

    def allows(self, pid: int) -> bool:
        """Decide on one call."""
        if not self._process and pid and _parent(pid) == self._kernel:
            try:
                self._pidfd = os.pidfd_open(pid)
                self._prepare(pid)
            except OSError:
                return False
            self._process = pid
        if pid != self._process or not pid or self._left == 0:
            return False
        self._left -= 1
        return True

    @property
    def sent(self) -> int:
        """The process that the kernel sent; 0 while none came."""
        return self._process

    def end(self) -> None:
        """Kill the process that the kernel sent, which is of no use any more, and forget it."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            os.close(self._pidfd)
            self._pidfd = -1


class KernelGate:
    """Answers calls until no process is left that could make one; then closes itself.

    Args:
        listener: of the filter; the object owns it.
    """

    def __init__(self, listener: int) -> None:
        self._listener = listener
        self.turn = asyncio.Lock()  # one order at a time
        self.order: ForkOrder | None = None
        asyncio.get_running_loop().add_reader(listener, self._serve)

    def _serve(self) -> None:
        """Answer what waits; after a refusal rest, or whoever calls without end keeps us busy."""
        for _ in range(_CALLS_A_WAKE_MAX):
            try:
                call = notifications.receive(self._listener)
            except EOFError:
                self.close()
                return
            if call is None:
                return
            allowed = self.order is not None and self.order.allows(call.pid)
            notifications.answer(self._listener, call, error=0 if allowed else errno.EPERM)
            if not allowed:
                self._rest()
                return

    def _rest(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        loop.call_later(_REST_S, self._go_on)

    def _go_on(self) -> None:
        if self._listener >= 0:
            asyncio.get_running_loop().add_reader(self._listener, self._serve)

    def close(self) -> None:
        """Answer no more: calls fail by themselves then. Idempotent."""
        if self._listener >= 0:
            asyncio.get_running_loop().remove_reader(self._listener)
            os.close(self._listener)
            self._listener = -1


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
