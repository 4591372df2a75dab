"""Starting a program as a caller describes it: on pipes or on a terminal."""

import os
import subprocess
from typing import Any

from capibara6_guest import terminals
from capibara6_guest.agent import Call
from capibara6_guest.failures import reported
from capibara6_guest.paths import resolve
from capibara6_guest.process import Command, Process
from capibara6_guest.spawn import spawn
from capibara6_guest.users import User, acting_as, find_user
from capibara6_guest.wire import CallError

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def launch(call: Call) -> Process:
    """Start the program that a `process.start` call describes.

    Raises:
        CallError: it could not be started; the message says what stood in the way.
    """
    user = find_user(call.text("user"))
    arguments = call.arguments
    command = Command(
        cmd=call.text("cmd"),
        args=[str(argument) for argument in arguments.get("args") or []],
        envs={str(name): str(value) for name, value in (arguments.get("envs") or {}).items()},
        cwd=arguments.get("cwd"),
        tag=arguments.get("tag"),
    )
    cwd = _directory(command.cwd or "", user)
    env = _environment(user, arguments.get("env") or {}, command.envs)
    with reported(f"error starting process '{command.cmd}'"):
        size = arguments.get("pty")
        if size is not None:
            return _on_terminal(command, user, cwd, env, size)
        return _on_pipes(command, user, cwd, env, feed=bool(arguments.get("stdin")))


def _on_pipes(
    command: Command, user: User, cwd: str, env: dict[str, str], *, feed: bool
) -> Process:
    popen = spawn(
        [command.cmd, *command.args],
        user=user,
        cwd=cwd,
        env=env,
        stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
    )
    outputs = {"stdout": _detached(popen.stdout), "stderr": _detached(popen.stderr)}
    input_fd = None if popen.stdin is None else _detached(popen.stdin)
    return Process(command, popen, outputs, input_fd)


def _on_terminal(
    command: Command, user: User, cwd: str, env: dict[str, str], size: dict[str, Any]
) -> Process:
    agent_fd, program_fd = terminals.open_terminal(user, size)
    try:
        popen = spawn(
            [command.cmd, *command.args],
            user=user,
            cwd=cwd,
            env=env,
            stdin=program_fd,
            stdout=program_fd,
            stderr=program_fd,
            terminal=True,
        )
    except BaseException:
        os.close(agent_fd)
        raise
    finally:
        os.close(program_fd)
    return Process(command, popen, {"pty": agent_fd}, agent_fd, terminal_fd=agent_fd)


def _detached(stream: Any) -> int:
    """Take over a pipe's descriptor from the file object that would close it."""
    fd = os.dup(stream.fileno())
    stream.close()
    return fd


def _directory(cwd: str, user: User) -> str:
    path = resolve(cwd, user)
    with acting_as(user):
        if not os.path.exists(path):
            raise CallError("invalid_argument", f"cwd '{path}' does not exist")
        if not os.path.isdir(path):
            raise CallError("invalid_argument", f"cwd '{path}' is not a directory")
        if not os.access(path, os.X_OK, effective_ids=True):
            raise CallError("invalid_argument", f"cwd '{path}' may not be entered by {user.name}")
    return path


def _environment(user: User, shared: dict[str, str], own: dict[str, str]) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", DEFAULT_PATH),
        "HOME": user.home,
        "USER": user.name,
        "LOGNAME": user.name,
        "SHELL": user.shell or "/bin/sh",
        **shared,
        **own,
    }
