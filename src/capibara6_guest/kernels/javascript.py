"""The JavaScript kernel: a Node.js process that runs `javascript_kernel.mjs`."""

import json
import os
from collections.abc import Mapping
from subprocess import Popen
from typing import Final

from capibara6_guest.kernels.process import ProcessKernel
from capibara6_guest.location import package_folder
from capibara6_guest.spawn import spawn

_OPTIONS: Final = ("--no-warnings", "--experimental-import-meta-resolve")


def _program() -> str:
    return str(package_folder() / "kernels/javascript_kernel.mjs")


class JavaScriptKernel(ProcessKernel):
    """Runs JavaScript; its globals and declarations live on. Needs Node.js 18 or later."""

    language = "javascript"

    _interrupts_fd = -1

    def _spawn(self, requests: int, messages: int, out: int, err: int) -> "Popen[bytes]":
        interrupts, self._interrupts_fd = os.pipe()
        os.set_blocking(self._interrupts_fd, False)
        fds = (requests, messages, interrupts)
        try:
            return spawn(
                ["node", *_OPTIONS, _program(), *map(str, fds)],
                user=self._user,
                cwd=self._cwd,
                env=self._env,
                stdout=out,
                stderr=err,
                pass_fds=fds,
            )
        except OSError:
            os.close(self._interrupts_fd)
            self._interrupts_fd = -1
            raise
        finally:
            os.close(interrupts)

    def _after_signal(self, number: int) -> bytes:
        """Tell the watch, since no signal reaches code that loops after an await."""
        os.write(self._interrupts_fd, b"%d\n" % number)
        return b""

    def _close(self) -> None:
        super()._close()
        if self._interrupts_fd >= 0:
            os.close(self._interrupts_fd)
            self._interrupts_fd = -1

    def _why_not_started(self, cause: OSError) -> str:
        if cause.filename == "node":
            return (
                "Node.js is not installed here, so JavaScript cannot run; "
                "use a template with the program `node`, version 18 or later"
            )
        return super()._why_not_started(cause)

    def _request(self, number: int, code: str, env: Mapping[str, str]) -> bytes:
        request = {"id": number, "code": code, "env": dict(env)}
        return json.dumps(request, separators=(",", ":")).encode("ascii") + b"\n"
