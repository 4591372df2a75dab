"""The kernel of JavaScript and TypeScript: a Node.js process with `javascript_kernel.mjs`."""

import contextlib
import json
import os
import signal
from collections.abc import Mapping
from subprocess import Popen
from typing import Final

from capibara6_guest.kernels.process import ProcessKernel
from capibara6_guest.location import package_folder
from capibara6_guest.spawn import spawn

_OPTIONS: Final = ("--no-warnings", "--experimental-import-meta-resolve")

# Bytes of the leave. Open: Node.js can be signalled. Busy: the agent is about to. Signalled: it
# has, since Node.js has opened.
_OPEN, _BUSY, _SIGNALLED = 0, 1, 2

_CODE_BYTES: Final = 512 * 1024 * 1024  # what V8 sets aside for machine code at its start
# Node.js keeps only low descriptors from the programs that it starts, so ours become 3, 4, 5 and 6,
# by way of four that are free.
_START: Final = """\
exec {a}<&{requests} {b}>&{messages} {c}<&{interrupts} {d}>&{leave} \
  {requests}<&- {messages}>&- {interrupts}<&- {leave}>&- || exit
exec "$@" 3<&{a} 4>&{b} 5<&{c} 6>&{d} {a}<&- {b}>&- {c}<&- {d}>&-
"""


def _program() -> str:
    return str(package_folder() / "kernels/javascript_kernel.mjs")


class JavaScriptKernel(ProcessKernel):
    """Runs JavaScript; its globals and declarations live on. Needs Node.js 18 or later, and bash.

    In the dialect "typescript" types are removed first, which needs Node.js 22.13 or later; both
    share all variables. `process.exit()` ends the cell only.
    """

    language = "javascript"
    _interrupts_fd = -1
    _leave_fd = -1

    def _spawn(self, requests: int, messages: int, out: int, err: int) -> "Popen[bytes]":
        self._require("node")
        interrupts, self._interrupts_fd = os.pipe()
        os.set_blocking(self._interrupts_fd, False)
        self._leave_fd = os.memfd_create("c6-leave")
        os.write(self._leave_fd, bytes(3))
        fds = (requests, messages, interrupts, self._leave_fd)
        start = _START.format(
            **dict(zip(("requests", "messages", "interrupts", "leave"), fds, strict=True)),
            **dict(zip("abcd", range(max(fds) + 1, max(fds) + 5), strict=True)),
        )
        try:
            return spawn(
                ["bash", "-c", start, "bash", "node", *_OPTIONS, _program()],
                user=self._user,
                cwd=self._cwd,
                env=self._env,
                stdout=out,
                stderr=err,
                pass_fds=fds,
                reserved_bytes=_CODE_BYTES,
            )
        except OSError:
            self._close()
            raise
        finally:
            os.close(interrupts)

    def _signal_programs(self, leader: int) -> None:
        """Signal unless Node.js is changing its handler, which would end it; it is done soon.

        It takes one signal at a time: when the first one has stopped a cell, Node.js changes its
        handler without a word. What the cell has started is signalled all the same.
        """
        self._set_mark(_BUSY, 1)  # before it is asked: see takeLeave in the program
        try:
            if self._has_mark(_OPEN):
                if self._has_mark(_SIGNALLED):
                    _signal_others(leader)
                else:
                    self._set_mark(_SIGNALLED, 1)
                    super()._signal_programs(leader)
        finally:
            self._set_mark(_BUSY, 0)

    def _set_mark(self, position: int, value: int) -> None:
        os.pwrite(self._leave_fd, bytes([value]), position)

    def _has_mark(self, position: int) -> bool:
        return os.pread(self._leave_fd, 1, position) == b"\1"

    def _after_signal(self, number: int) -> bytes:
        """Tell the kernel for cells that wait, and its watch for those that loop after waiting."""
        os.write(self._interrupts_fd, b"%d\n" % number)
        return b'{"interrupt":%d}\n' % number

    def _close(self) -> None:
        super()._close()
        for fd in (self._interrupts_fd, self._leave_fd):
            if fd >= 0:
                os.close(fd)
        self._interrupts_fd = self._leave_fd = -1

    def _why_not_started(self, cause: OSError) -> str:
        if cause.filename == "node":
            return (
                "Node.js is not installed here, so JavaScript cannot run; "
                "use a template with the program `node`, version 18 or later"
            )
        return super()._why_not_started(cause)

    def _request(self, number: int, code: str, env: Mapping[str, str], dialect: str) -> bytes:
        typed = dialect == "typescript"
        request = {"id": number, "code": code, "env": dict(env), "typed": typed}
        return json.dumps(request, separators=(",", ":")).encode("ascii") + b"\n"


def _signal_others(leader: int) -> None:
    """Send SIGINT to the programs of a group, but not to its leader."""
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            pid = int(name)
            if pid != leader and os.getpgid(pid) == leader:
                os.kill(pid, signal.SIGINT)
