"""Running a checker on a text: bounded in time and output, without the platform's environment."""

import asyncio
import contextlib
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_OUTPUT_BYTES_MAX: Final = 512 * 1024
# No secret reaches a checker, and no variable of ours changes what it does.
_ENVIRONMENT: Final = {"LC_ALL": "C.UTF-8", "PATH": os.defpath}


@dataclass(frozen=True, slots=True)
class CheckerOutput:
    """What a checker said, at most half a MiB of it."""

    returncode: int  # negative: stopped, because it took too long or said too much
    stdout: str
    stderr: str


async def run_checker(command: Sequence[str], text: str, timeout_s: float) -> CheckerOutput:
    """Give `text` to a command's standard input; cancelling kills it.

    Raises:
        OSError: it cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=_ENVIRONMENT, cwd="/"
    )
    out, err = bytearray(), bytearray()
    try:
        with contextlib.suppress(TimeoutError):  # the return code tells that it was killed
            async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as tasks:
                tasks.create_task(_feed(process, text))
                tasks.create_task(_fill(process, process.stdout, out))
                tasks.create_task(_fill(process, process.stderr, err))
                tasks.create_task(process.wait())
    finally:
        _kill(process)
        returncode = await process.wait()
    return CheckerOutput(returncode, out.decode(errors="replace"), err.decode(errors="replace"))


async def _feed(process: Process, text: str) -> None:
    if process.stdin is None:
        return
    with contextlib.suppress(ConnectionError):  # it stopped reading: it has found its error
        process.stdin.write(text.encode("utf-8", "replace"))
        await process.stdin.drain()
    process.stdin.close()


async def _fill(process: Process, stream: asyncio.StreamReader | None, buffer: bytearray) -> None:
    """Read to the end; a checker that says more than may be kept is stopped."""
    while stream is not None and (chunk := await stream.read(64 * 1024)):
        if len(buffer) + len(chunk) > _OUTPUT_BYTES_MAX:
            _kill(process)
            return
        buffer += chunk


def _kill(process: Process) -> None:
    if process.returncode is None:
        process.kill()
