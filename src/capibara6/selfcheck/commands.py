"""Behaviours of commands and terminals."""

import asyncio
import contextlib
from typing import Final

from e2b.exceptions import TimeoutException
from e2b.sandbox.commands.command_handle import CommandExitException, PtySize

from capibara6.selfcheck.probe import Behaviour, DiffersError, Probe, expect, expect_true

_TERMINAL_S_MAX: Final = 15.0


async def _outcome(probe: Probe) -> None:
    commands = (await probe.sandbox()).commands
    done = await commands.run("echo out; echo err >&2")
    expect((done.stdout, done.stderr, done.exit_code), ("out\n", "err\n", 0), "what was printed")
    try:
        await commands.run("exit 3")
    except CommandExitException as failure:
        expect(failure.exit_code, 3, "the exit status")
    else:
        raise DiffersError("a failing command raises nothing")


async def _options(probe: Probe) -> None:
    commands = (await probe.sandbox()).commands
    done = await commands.run("echo $A; pwd; id -un", envs={"A": "1"}, cwd="/tmp", user="root")  # noqa: S108
    expect(done.stdout, "1\n/tmp\nroot\n", "variable, directory and user")


async def _input(probe: Probe) -> None:
    commands = (await probe.sandbox()).commands
    running = await commands.run("read line; echo got $line", background=True, stdin=True)
    await commands.send_stdin(running.pid, "word\n")
    expect((await running.wait()).stdout, "got word\n", "what came of its input")


async def _kill(probe: Probe) -> None:
    commands = (await probe.sandbox()).commands
    running = await commands.run("sleep 300", background=True)
    expect_true(running.pid in [p.pid for p in await commands.list()], "it is not listed")
    expect(await commands.kill(running.pid), True, "a kill")
    with contextlib.suppress(CommandExitException):
        await running.wait()
    expect_true(running.pid not in [p.pid for p in await commands.list()], "it is listed still")


async def _timeout(probe: Probe) -> None:
    try:
        await (await probe.sandbox()).commands.run("sleep 300", timeout=1)
    except TimeoutException:
        return
    raise DiffersError("a command outlived its time")


async def _terminal(probe: Probe) -> None:
    sandbox = await probe.sandbox()
    seen = bytearray()
    found = asyncio.Event()

    def hear(data: bytes) -> None:
        seen.extend(data)
        if b"rows 30" in seen:
            found.set()

    terminal = await sandbox.pty.create(PtySize(rows=30, cols=100), on_data=hear)
    try:
        await sandbox.pty.send_stdin(terminal.pid, b"echo rows $(stty size | cut -d' ' -f1)\n")
        await asyncio.wait_for(found.wait(), _TERMINAL_S_MAX)
    except TimeoutError:
        raise DiffersError(f"the terminal shows {bytes(seen[-200:])!r}") from None
    finally:
        await sandbox.pty.kill(terminal.pid)


BEHAVIOURS: Final = (
    Behaviour("a command's output and status", _outcome),
    Behaviour("a command's variables, directory, user", _options),
    Behaviour("a command's input", _input),
    Behaviour("commands are listed and killed", _kill),
    Behaviour("a command's time limit", _timeout),
    Behaviour("a terminal", _terminal),
)
