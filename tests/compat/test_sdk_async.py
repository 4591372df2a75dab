"""The published Python SDK, asynchronous, against the embedded server."""

import asyncio
from typing import Any

import pytest
from e2b.exceptions import NotFoundException, TimeoutException
from e2b.sandbox.commands.command_handle import CommandExitException
from e2b.sandbox.filesystem.filesystem import WriteEntry
from e2b_code_interpreter import AsyncSandbox

from support.sandbox_server import SandboxServer


async def test_callbacks_may_be_coroutines(async_sandbox: AsyncSandbox) -> None:
    heard: list[str] = []

    async def hear(message: Any) -> None:
        heard.append(message.line)
        await async_sandbox.files.write("/tmp/gate", "")

    code = """
import os, time
print("first", flush=True)
while not os.path.exists("/tmp/gate"):
    time.sleep(0.01)
print("second")
"""
    await async_sandbox.run_code(code, on_stdout=hear, timeout=20)
    assert "".join(heard) == "first\nsecond\n"


async def test_errors_are_data(async_sandbox: AsyncSandbox) -> None:
    errors: list[Any] = []
    execution = await async_sandbox.run_code("1 / 0", on_error=errors.append)
    assert execution.error is not None
    assert execution.error.name == errors[0].name == "ZeroDivisionError"


async def test_contexts_run_at_the_same_time(async_sandbox: AsyncSandbox) -> None:
    """Each waits for a file that the other one makes."""
    contexts = [await async_sandbox.create_code_context() for _ in range(2)]
    meet = """
import os, time
open("/tmp/{mine}", "w").close()
while not os.path.exists("/tmp/{other}"):
    time.sleep(0.01)
"met"
"""
    async with asyncio.TaskGroup() as group:
        runs = [
            group.create_task(
                async_sandbox.run_code(meet.format(mine=n, other=1 - n), context=contexts[n])
            )
            for n in range(2)
        ]
    assert [run.result().text for run in runs] == ["met", "met"]


async def test_contexts_are_listed_restarted_and_removed(async_sandbox: AsyncSandbox) -> None:
    context = await async_sandbox.create_code_context()
    await async_sandbox.run_code("x = 1", context=context)
    await async_sandbox.restart_code_context(context.id)
    again = await async_sandbox.run_code("x", context=context)
    assert again.error is not None
    await async_sandbox.remove_code_context(context)
    assert context.id not in [known.id for known in await async_sandbox.list_code_contexts()]
    with pytest.raises(NotFoundException):
        await async_sandbox.run_code("1", context=context)


async def test_a_cancelled_call_interrupts_its_code(async_sandbox: AsyncSandbox) -> None:
    await async_sandbox.run_code("kept = 7")
    begun = asyncio.Event()
    endless = "print('on', flush=True)\nwhile True: pass"
    call = asyncio.create_task(
        async_sandbox.run_code(endless, on_stdout=lambda _: begun.set(), timeout=60)
    )
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await async_sandbox.run_code("kept")).text == "7"


async def test_code_over_its_time_keeps_the_state(async_sandbox: AsyncSandbox) -> None:
    await async_sandbox.run_code("kept = 7")
    with pytest.raises(TimeoutException):
        await async_sandbox.run_code("while True: pass", timeout=1)
    assert (await async_sandbox.run_code("kept")).text == "7"


async def test_variables(async_sandbox: AsyncSandbox) -> None:
    read = "import os; [os.environ.get(n) for n in ('GLOBAL', 'LOCAL')]"
    assert (await async_sandbox.run_code(read, envs={"LOCAL": "l"})).text == "['g', 'l']"
    assert (await async_sandbox.run_code(read)).text == "['g', None]"


async def test_commands(async_sandbox: AsyncSandbox) -> None:
    result = await async_sandbox.commands.run("pwd; whoami; echo $GLOBAL", cwd="/tmp")
    assert result.stdout == "/tmp\nuser\ng\n"
    with pytest.raises(CommandExitException):
        await async_sandbox.commands.run("exit 3")
    told = asyncio.Event()
    handle = await async_sandbox.commands.run(
        "cat", background=True, stdin=True, on_stdout=lambda _: told.set()
    )
    await async_sandbox.commands.send_stdin(handle.pid, "fed\n")
    await asyncio.wait_for(told.wait(), 60)
    assert handle.pid in [process.pid for process in await async_sandbox.commands.list()]
    assert await handle.kill() is True
    with pytest.raises(CommandExitException):
        await handle.wait()
    assert handle.stdout == "fed\n"


async def test_files(async_sandbox: AsyncSandbox) -> None:
    entries = [WriteEntry(path=f"many/{n}", data=f"number {n}") for n in range(3)]
    await async_sandbox.files.write_files(entries)
    assert sorted(entry.name for entry in await async_sandbox.files.list("many")) == list("012")
    assert await async_sandbox.files.read("many/2") == "number 2"
    stream = await async_sandbox.files.read("many/1", format="stream")
    assert b"".join([piece async for piece in stream]) == b"number 1"
    await async_sandbox.files.rename("many/0", "moved")
    assert await async_sandbox.files.exists("moved")
    await async_sandbox.files.remove("many")
    assert not await async_sandbox.files.exists("many")


async def test_many_sandboxes_at_once(sandbox_server: SandboxServer) -> None:
    async def live(number: int) -> str | None:
        sandbox = await AsyncSandbox.create(**sandbox_server.sdk)
        try:
            return (await sandbox.run_code(f"{number} * 2")).text
        finally:
            await sandbox.kill()

    async with asyncio.TaskGroup() as group:
        lives = [group.create_task(live(number)) for number in range(8)]
    assert [life.result() for life in lives] == [str(number * 2) for number in range(8)]
