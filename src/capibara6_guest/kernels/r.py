"""The kernel of R: an R process with `r_kernel.R`."""

import json
from collections.abc import Mapping
from subprocess import Popen
from typing import Final

from capibara6_guest.kernels.process import ProcessKernel
from capibara6_guest.location import package_folder
from capibara6_guest.spawn import spawn

_OPTIONS: Final = ("--vanilla", "--no-echo")


class RKernel(ProcessKernel):
    """Runs R; its global environment lives on. Needs R 4 with the packages jsonlite and repr.

    `quit()` ends the kernel.
    """

    language = "r"

    def _spawn(self, requests: int, messages: int, out: int, err: int) -> "Popen[bytes]":
        self._require("R")
        self._let_reopen(requests, messages)
        program = str(package_folder() / "kernels/r_kernel.R")
        return spawn(
            ["R", *_OPTIONS, "-f", program, "--args", str(requests), str(messages)],
            user=self._user,
            cwd=self._cwd,
            env=self._env,
            stdout=out,
            stderr=err,
            pass_fds=(requests, messages),
        )

    def _after_signal(self, number: int) -> bytes:
        """Tell the kernel too: R is deaf to the signal while it waits for another program."""
        return b'{"interrupt":%d}\n' % number

    def _why_not_started(self, cause: OSError) -> str:
        if cause.filename == "R":
            return (
                "R is not installed here; on the server's machine run `make extras`, "
                "which installs r-base-core, r-cran-jsonlite and r-cran-repr, and start it again"
            )
        return super()._why_not_started(cause)

    def _request(self, number: int, code: str, env: Mapping[str, str], dialect: str) -> bytes:
        del dialect
        if "\0" in code or any("\0" in value for value in env.values()):
            raise ValueError("R code and its environment may not contain a NUL character")
        request = {"id": number, "code": code, "env": dict(env)}
        return json.dumps(request, separators=(",", ":")).encode("ascii") + b"\n"
