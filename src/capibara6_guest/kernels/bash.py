"""The bash kernel: one interactive shell without a terminal, driven through its standard input.

It is interactive because only then does an interrupt abort the running code, whatever that is, and
bring the shell back to its next command with all its state. The next command is ours.
"""

import re
import shlex
from collections.abc import Mapping
from subprocess import DEVNULL, Popen
from typing import Any, Final

from capibara6_guest.kernels.process import ProcessKernel, error_event
from capibara6_guest.spawn import spawn

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_INTERRUPTED: Final = 130

# User code has the low descriptors to itself.
_MESSAGES_FD: Final = 250

# Standard error comes last: until then bash complains that it has no terminal.
_START: Final = """\
exec {fd}>&{messages} {messages}>&- 2>&{err} {err}>&-; PS1= PS2= PS0=
unset PROMPT_COMMAND HISTFILE MAILCHECK TMOUT; set +o history +o histexpand
__c6_trace=
"""

# Both come as one quoted word, which the shell reads whole before anything runs.
_RUN: Final = """\
__c6_code={code}
{set_environment}
builtin printf '{{"type":"started"}}\\n' >&{fd}
builtin eval "$__c6_trace$__c6_code" </dev/null {fd}>&-
"""

# Starts with empty lines, since an interrupt may eat the first characters, and may be sent twice.
# The user's `set -x` is kept from our own lines.
_FINISH: Final = """\


{{ __c6_status=$?; __c6_trace=; case $- in *x*) set +x; __c6_trace='set -x;';; esac; }} 2>/dev/null
{restore_environment}
builtin printf '{{"type":"done","id":{number},"status":%d}}\\n' "$__c6_status" >&{fd}
"""


class BashKernel(ProcessKernel):
    """Runs bash code; its variables, functions, options and directory live on.

    As in E2B, a cell whose last command fails ends with an error without name, whose value is the
    exit status. `exit`, and a failure under `set -e`, end the shell.
    """

    language = "bash"
    _greeting = b""
    _names: str = ""

    def _spawn(self, requests: int, messages: int, out: int, err: int) -> "Popen[bytes]":
        start = _START.format(fd=_MESSAGES_FD, messages=messages, err=err)
        self._greeting = start.encode("ascii")
        return spawn(
            ["bash", "--norc", "--noprofile", "--noediting", "-i"],
            user=self._user,
            cwd=self._cwd,
            env=self._env,
            stdin=requests,
            stdout=out,
            stderr=DEVNULL,
            pass_fds=(messages, err),
        )

    def _request(self, number: int, code: str, env: Mapping[str, str], dialect: str) -> bytes:
        del dialect
        if "\0" in code:
            raise ValueError("bash code may not contain a NUL character")
        self._names = " ".join(map(_checked_name, env))
        text = _RUN.format(fd=_MESSAGES_FD, code=shlex.quote(code), set_environment=_setting(env))
        greeting, self._greeting = self._greeting, b""
        return greeting + text.encode("utf-8") + self._finish(number)

    def _finish(self, number: int) -> bytes:
        restore = f'unset {self._names}; builtin eval "$__c6_undo"' if self._names else ""
        return _FINISH.format(fd=_MESSAGES_FD, number=number, restore_environment=restore).encode(
            "ascii"
        )

    def _after_signal(self, number: int) -> bytes:
        return self._finish(number)

    def _outcome(self, done: dict[str, Any], *, interrupted: bool) -> dict[str, Any] | None:
        status = done.get("status")
        if status == _INTERRUPTED and interrupted:
            return error_event("ExecutionAborted", "Execution was aborted")
        return error_event("", str(status)) if status else None


def _checked_name(name: str) -> str:
    if _NAME.match(name) is None:
        raise ValueError(f"{name!r} is no name for an environment variable of bash")
    return name


def _setting(env: Mapping[str, str]) -> str:
    if not env:
        return ""
    if any("\0" in value for value in env.values()):
        raise ValueError("an environment variable may not contain a NUL character")
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in env.items())
    return f"__c6_undo=$(declare -p {' '.join(env)} 2>/dev/null); export {settings}"
