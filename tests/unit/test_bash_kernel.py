"""The bash kernel, with a real bash."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from capibara6_guest.kernels.bash import BashKernel
from kernel_session import (
    current_user,
    open_fds,
    processes_with,
    run,
    run_and_interrupt,
    slowly,
)
from support.languages import needs_bash

pytestmark = needs_bash


@pytest.fixture
async def bash(tmp_path: Path) -> AsyncIterator[BashKernel]:
    kernel = BashKernel(current_user(), str(tmp_path), dict(os.environ))
    yield kernel
    await kernel.stop()


async def test_variables_functions_options_aliases_and_directory_live_on(bash: BashKernel) -> None:
    await run(bash, "x='a b'; f() { echo \"f:$1\"; }; shopt -s extglob; alias q='echo q'; cd /usr")
    cell = await run(bash, 'echo "$x"; f 2; shopt -q extglob && echo ext; q; pwd')
    assert cell.stdout == "a b\nf:2\next\nq\n/usr\n"
    assert cell.error is None
    assert cell.count == 2


async def test_it_starts_in_its_directory_with_exactly_its_environment(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "GIVEN": "yes"}
    kernel = BashKernel(current_user(), str(tmp_path), env)
    cell = await run(kernel, 'pwd; echo "$GIVEN"; env | grep -c -E "^(HOME|USER)="')
    assert cell.stdout == f"{tmp_path}\nyes\n0\n"
    await kernel.stop()


async def test_output_is_streamed_before_the_end(bash: BashKernel) -> None:
    events = bash.execute("echo first; while [ ! -e go ]; do sleep 0.01; done; echo second", {})
    async for event in events:
        if event.get("text") == "first\n":
            os.close(os.open(f"{bash._cwd}/go", os.O_CREAT))
            break
    assert [event["text"] async for event in events if event["type"] == "stdout"] == ["second\n"]


@pytest.mark.parametrize(
    ("code", "status"),
    [("false", "1"), ("(exit 3)", "3"), ("no_such_program", "127"), ("if", "2"), ("echo 'x", "2")],
)
async def test_a_failing_cell_ends_with_its_status(
    bash: BashKernel, code: str, status: str
) -> None:
    cell = await run(bash, code)
    assert cell.error == {"type": "error", "name": "", "value": status, "traceback": ""}
    assert (await run(bash, "echo on")).stdout == "on\n"


async def test_stderr_is_separate(bash: BashKernel) -> None:
    cell = await run(bash, "echo out; echo err >&2")
    assert (cell.stdout, cell.stderr) == ("out\n", "err\n")


async def test_variables_of_one_call_are_undone(bash: BashKernel) -> None:
    await run(bash, "export GLOBAL='g 1'")
    env = {"GLOBAL": "changed", "ONCE": "it's\n$HOME"}
    cell = await run(bash, 'printf "%s|%s" "$GLOBAL" "$ONCE"; GLOBAL=again', env)
    assert cell.stdout == "changed|it's\n$HOME"
    cell = await run(bash, 'echo "$GLOBAL ${ONCE-unset}"; sh -c \'echo "$GLOBAL"\'')
    assert cell.stdout == "g 1 unset\ng 1\n"


@pytest.mark.parametrize(("code", "env"), [("a\0b", {}), (":", {"a-b": ""}), (":", {"A": "\0"})])
async def test_what_bash_cannot_take_is_refused(
    bash: BashKernel, code: str, env: dict[str, str]
) -> None:
    error = (await run(bash, code, env)).error
    assert error is not None
    assert error["name"] == "ValueError"
    assert (await run(bash, "echo on")).stdout == "on\n"


async def test_text_of_all_scripts_and_any_bytes(bash: BashKernel) -> None:
    text = "ñandú 日本 😀 'quoted' \"double\" $dollar `tick` \\n !bang"
    cell = await run(bash, f"cat <<'E'\n{text}\nE")
    assert cell.stdout == text + "\n"
    assert (await run(bash, r"printf 'a\xffb'")).stdout == "a\ufffdb"


async def test_code_finds_no_input(bash: BashKernel) -> None:
    assert (await run(bash, 'cat; read line; echo "[$line]"')).stdout == "[]\n"


async def test_children_inherit_no_channel(bash: BashKernel) -> None:
    cell = await run(bash, "ls /proc/self/fd | tr '\\n' ' '")
    assert cell.stdout == "0 1 2 3 "  # 3 is what ls reads the directory with


async def test_traced_code_shows_no_line_of_ours(bash: BashKernel) -> None:
    await run(bash, "set -x")
    cell = await run(bash, "echo a", {"ONCE": "1"})
    assert cell.stderr == "++ echo a\n"


@pytest.mark.parametrize(
    "endless",
    [
        "while true; do :; done",
        "sleep 1000; echo after",
        "f() { g; }; g() { while true; do sleep 1000; done; }; f; echo after",
    ],
)
async def test_an_interrupt_ends_the_cell_and_keeps_the_state(
    bash: BashKernel, endless: str
) -> None:
    await run(bash, "kept=yes; cd /usr")
    cell = await run_and_interrupt(bash, f"echo begun; {endless}", "begun")
    assert cell.error is not None
    assert cell.error["name"] == "ExecutionAborted"
    assert "after" not in cell.stdout
    assert (await run(bash, "echo $kept; pwd")).stdout == "yes\n/usr\n"


async def test_programs_heed_interrupts_though_the_server_was_started_to_ignore_them(
    bash: BashKernel,
) -> None:
    """As a shell starts what it runs in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        await run(bash, ":")
    finally:
        signal.signal(signal.SIGINT, before)
    running = asyncio.create_task(run(bash, "sleep 1000"))
    while "sleep" not in _names_below(bash):  # noqa: ASYNC110 - another process starts it
        await asyncio.sleep(0.01)
    await bash.interrupt()
    error = (await running).error
    assert error is not None
    assert error["name"] == "ExecutionAborted"


def _names_below(bash: BashKernel) -> list[str]:
    assert bash._process is not None
    pid = bash._process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path(f"/proc/{child}/comm").read_text().strip() for child in children]


async def test_interrupts_at_any_moment_leave_the_kernel_usable(bash: BashKernel) -> None:
    moments = random.Random(6)
    await run(bash, "kept=yes")
    for _ in range(60):
        running = asyncio.create_task(run(bash, "for i in 1 2 3; do echo $i; done", {"A": "1"}))
        await asyncio.sleep(moments.random() * 0.002)
        await bash.interrupt()
        await running
        assert (await run(bash, 'echo "$kept ${A-unset}"')).stdout == "yes unset\n"


async def test_an_abandoned_cell_does_not_leak_into_the_next(bash: BashKernel) -> None:
    async for event in bash.execute("echo begun; sleep 1000; echo after", {}):
        if event.get("text") == "begun\n":
            await bash.interrupt()
            break
    assert (await run(bash, "echo next")).stdout == "next\n"


async def test_ten_megabytes_for_a_slow_consumer(bash: BashKernel) -> None:
    code = "head -c 10000000 /dev/zero | tr '\\0' x"
    assert await slowly(bash, code, 0.001) == 10_000_000


async def test_late_output_of_a_background_program_comes_with_the_next_cell(
    bash: BashKernel,
) -> None:
    await run(bash, "(while [ ! -e go ]; do sleep 0.01; done; echo later; mkdir done) &")
    os.mkdir(f"{bash._cwd}/go")
    while "done" not in os.listdir(bash._cwd):  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.01)
    assert (await run(bash, "echo now")).stdout == "later\nnow\n"


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("echo last; exit 4", "exited with status 4"),
        ("echo last; set -e; (exit 5)", "exited with status 5"),
        ("echo last; kill -9 $$", "was killed by SIGKILL"),
        ("exec echo last", "exited with status 0"),
    ],
)
async def test_the_death_of_the_shell_is_told(bash: BashKernel, code: str, how: str) -> None:
    cell = await run(bash, code)
    assert cell.stdout == "last\n"
    assert cell.error is not None
    assert cell.error["name"] == "KernelDied"
    assert how in cell.error["value"]
    assert not bash.alive
    error = (await run(bash, "echo no")).error
    assert error is not None
    assert error["name"] == "KernelDied"


async def test_a_directory_that_does_not_exist_is_named() -> None:
    before = open_fds()
    kernel = BashKernel(current_user(), "/does/not/exist", dict(os.environ))
    error = (await run(kernel, "echo")).error
    assert error is not None
    assert "/does/not/exist" in error["value"]
    assert not kernel.alive
    assert open_fds() == before


async def test_stop_leaves_nothing_behind(tmp_path: Path) -> None:
    before = open_fds()
    kernel = BashKernel(current_user(), str(tmp_path), dict(os.environ))
    mark = f"{31_000_000 + os.getpid()}"
    await run(kernel, f"sleep {mark} & setsid sleep {mark} & set -m; nohup sleep {mark} &")
    while len(processes_with(mark)) < 3:  # noqa: ASYNC110 - other processes start
        await asyncio.sleep(0.01)
    await kernel.stop()
    await kernel.stop()
    assert processes_with(mark) == []
    assert open_fds() == before
    assert not kernel.alive


async def test_stop_ends_a_running_cell(bash: BashKernel) -> None:
    running = asyncio.create_task(run(bash, "echo begun; sleep 1000"))
    await asyncio.sleep(0.05)
    await bash.stop()
    assert (await running).error is not None
