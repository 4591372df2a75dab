"""A Python kernel that the agent starts as a program, where nobody can fork one from outside."""

import os
import signal
import socket
from collections.abc import Mapping
from typing import Final

from capibara6_guest.kernels.python import PythonKernel
from capibara6_guest.location import IN_SANDBOX
from capibara6_guest.spawn import spawn
from capibara6_guest.users import User

_PYTHON: Final = "/opt/venv/bin/python"
_START: Final = (
    f"import sys; sys.path.insert(0, {str(IN_SANDBOX.parent)!r}); "
    "from capibara6_guest.python_start import main; main(int(sys.argv[1]))"
)


class StartedPythonKernel(PythonKernel):
    """A Python kernel that is a child of the agent.

    Args:
        user: runs it.
        cwd: where it starts.
        env: exactly its environment.
        memory_bytes: what the sandbox may use; it need not be told.
    """

    def __init__(self, user: User, cwd: str, env: Mapping[str, str], memory_bytes: int = 0) -> None:
        del memory_bytes
        fds: list[int] = []
        ours, theirs = socket.socketpair()
        try:
            for _ in range(2):
                fds += os.pipe2(os.O_CLOEXEC)
            self._child = spawn(
                [_PYTHON, "-c", _START, str(theirs.fileno())],
                user=user,
                cwd=cwd,
                env=env,
                stdout=fds[1],
                stderr=fds[3],
                pass_fds=(theirs.fileno(),),
            )
        except OSError:
            ours.close()
            for fd in fds[::2]:
                os.close(fd)
            raise
        finally:
            theirs.close()
            for fd in fds[1::2]:
                os.close(fd)
        super().__init__(ours.detach(), fds[0], fds[2])

    def _open_process(self, pid: object) -> None:
        """It is known: it was started here."""

    def _signal(self, number: signal.Signals) -> None:
        self._child.send_signal(number)
