"""JavaScript and bash: syntax errors, found by the installed `node` and `bash` without running."""

import re
import shutil
from collections.abc import Sequence
from typing import Final

from capibara6.domain.programs import Finding
from capibara6.validation.processes import CheckerOutput, run_checker

_NODE_ERROR = re.compile(
    r"^\[stdin\]:(?P<line>\d+)\n.*\n(?P<indent>\s*)\^.*\n\n(?P<message>SyntaxError: .*)$",
    re.MULTILINE,
)
_BASH_ERROR = re.compile(r"^(?:\S*bash: )?line (?P<line>\d+): (?P<message>.+)$", re.MULTILINE)
# A kernel's cell may use `await` and yet no strict mode, which neither kind of node's files allows.
_ASYNC_OPENING: Final = "(async () => { "
_ASYNC_CLOSING: Final = "\n})"


class JavaScriptChecker:
    """Checks JavaScript; says nothing where node is not installed.

    Args:
        timeout_s: for one check.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._node = shutil.which("node")

    async def check(self, code: str, files: Sequence[str] = ()) -> tuple[Finding, ...]:
        """The first syntax error that holds for the code as a module and as a script."""
        if self._node is None or code.lstrip().startswith("%"):
            return ()
        as_module = await self._checked(self._node, code, "--input-type=module")
        if as_module.returncode != 1:
            return ()
        as_script = await self._checked(self._node, f"{_ASYNC_OPENING}{code}{_ASYNC_CLOSING}")
        if as_script.returncode != 1:
            return ()
        return _node_findings(as_module)

    async def _checked(self, node: str, code: str, *options: str) -> CheckerOutput:
        return await run_checker((node, *options, "--check", "-"), code, self._timeout_s)


class BashChecker:
    """Checks bash; says nothing where it is not installed.

    Args:
        timeout_s: for one check.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._bash = shutil.which("bash")

    async def check(self, code: str, files: Sequence[str] = ()) -> tuple[Finding, ...]:
        """The first syntax error."""
        if self._bash is None:
            return ()
        # With extglob from the start: -n would not obey a `shopt` inside the program.
        command = (self._bash, "--norc", "-O", "extglob", "-n")
        output = await run_checker(command, code, self._timeout_s)
        error = _BASH_ERROR.search(output.stderr)
        if output.returncode <= 0 or error is None:
            return ()
        return (Finding("syntax", error["message"], int(error["line"]), 1),)


def _node_findings(output: CheckerOutput) -> tuple[Finding, ...]:
    error = _NODE_ERROR.search(output.stderr)
    if error is None:
        return ()
    return (Finding("syntax", error["message"], int(error["line"]), len(error["indent"]) + 1),)
