"""The published Python SDK, synchronous, against the embedded server."""

import contextlib
import threading
from typing import Any

import pytest
from e2b.exceptions import FileNotFoundException, NotFoundException, TimeoutException
from e2b.sandbox.commands.command_handle import CommandExitException
from e2b.sandbox.filesystem.filesystem import FileType, WriteEntry
from e2b_code_interpreter import Sandbox

from support.sandbox_server import wait_until

# A second thread creates this file when the first output has come: were output held back until the
# end, the program would never get there.
GATED = """
import os, time
print("first", flush=True)
while not os.path.exists("/tmp/gate"):
    time.sleep(0.01)
print("second")
"""


def test_output_comes_as_it_happens(sandbox: Sandbox) -> None:
    heard: list[str] = []

    def hear(message: Any) -> None:
        heard.append(message.line)
        if "first" in message.line:
            sandbox.files.write("/tmp/gate", "")

    execution = sandbox.run_code(GATED, on_stdout=hear, timeout=20)
    assert execution.error is None
    assert "".join(heard) == "first\nsecond\n"


def test_every_callback_is_called(sandbox: Sandbox) -> None:
    heard: dict[str, list[Any]] = {"out": [], "err": [], "result": [], "error": []}
    code = """
import sys
print("to out"); print("to err", file=sys.stderr)
display({"shown": 1})
1 / 0
"""
    execution = sandbox.run_code(
        code,
        on_stdout=heard["out"].append,
        on_stderr=heard["err"].append,
        on_result=heard["result"].append,
        on_error=heard["error"].append,
    )
    assert [message.line for message in heard["out"]] == ["to out\n"]
    assert [message.line for message in heard["err"]] == ["to err\n"]
    assert [result.text for result in heard["result"]] == ["{'shown': 1}"]
    assert [error.name for error in heard["error"]] == ["ZeroDivisionError"]
    assert execution.logs.stdout == ["to out\n"]
    assert execution.error is not None
    assert "1 / 0" in execution.error.traceback


def test_results_carry_what_notebooks_show(sandbox: Sandbox) -> None:
    table = sandbox.run_code("import pandas as pd; pd.DataFrame({'a': [1, 2]})").results[0]
    assert table.html is not None
    assert "<table" in table.html
    assert table.is_main_result
    figure = sandbox.run_code("import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()")
    assert any(result.png for result in figure.results)


def test_execution_counts_go_up(sandbox: Sandbox) -> None:
    counts = [sandbox.run_code("1").execution_count for _ in range(3)]
    assert counts == [1, 2, 3]


@pytest.mark.parametrize(
    ("language", "code"),
    [("python", "print(6 * 7)"), ("javascript", "console.log(6 * 7)"), ("bash", "echo $((6 * 7))")],
)
def test_languages(sandbox: Sandbox, language: str, code: str) -> None:
    execution = sandbox.run_code(code, language=language)
    if execution.error and "node" in execution.error.value:
        pytest.skip("needs Node.js of version 18 or later: make extras")
    assert "".join(execution.logs.stdout).strip() == "42"


def test_contexts_are_apart_from_each_other(sandbox: Sandbox) -> None:
    context = sandbox.create_code_context(cwd="/tmp")
    sandbox.run_code("x = 1")
    sandbox.run_code("x = 2", context=context)
    assert sandbox.run_code("x").text == "1"
    assert sandbox.run_code("x", context=context).text == "2"
    assert sandbox.run_code("import os; os.getcwd()", context=context).text == "/tmp"


def test_contexts_are_listed_restarted_and_removed(sandbox: Sandbox) -> None:
    context = sandbox.create_code_context(cwd="/tmp", language="python")
    listed = {known.id: known for known in sandbox.list_code_contexts()}
    assert (listed[context.id].language, listed[context.id].cwd) == ("python", "/tmp")
    sandbox.run_code("x = 1", context=context)
    sandbox.restart_code_context(context)
    again = sandbox.run_code("x", context=context)
    assert again.error is not None
    assert again.error.name == "NameError"
    sandbox.remove_code_context(context)
    assert context.id not in [known.id for known in sandbox.list_code_contexts()]
    with pytest.raises(NotFoundException):
        sandbox.run_code("1", context=context)


def test_variables_of_a_call_are_undone(sandbox: Sandbox) -> None:
    read = "import os; [os.environ.get(n) for n in ('GLOBAL', 'LOCAL')]"
    assert sandbox.run_code(read).text == "['g', None]"
    assert sandbox.run_code(read, envs={"GLOBAL": "h", "LOCAL": "l"}).text == "['h', 'l']"
    assert sandbox.run_code(read).text == "['g', None]"


def test_global_variables_reach_contexts_and_commands(sandbox: Sandbox) -> None:
    context = sandbox.create_code_context()
    read = "import os; os.environ['GLOBAL']"
    assert sandbox.run_code(read, context=context).text == "g"
    assert "".join(sandbox.run_code("echo $GLOBAL", language="bash").logs.stdout) == "g\n"
    assert sandbox.commands.run("echo $GLOBAL").stdout == "g\n"
    assert sandbox.commands.run("echo $GLOBAL", envs={"GLOBAL": "h"}).stdout == "h\n"


def test_programs_find_the_templates_python(sandbox: Sandbox) -> None:
    shown = sandbox.commands.run("python -c 'import sys, numpy; print(sys.prefix)'")
    assert shown.stdout == "/opt/venv\n"
    rare = "import sys, subprocess, sched, zipapp, mailbox; sys.executable"
    assert sandbox.run_code(rare).text == "/opt/venv/bin/python"
    child = "subprocess.check_output([sys.executable, '-c', 'print(6 * 7)']).decode()"
    assert sandbox.run_code(f"int({child})").text == "42"


def test_commands_say_how_they_ended(sandbox: Sandbox) -> None:
    result = sandbox.commands.run("echo out; echo err >&2")
    assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 0)
    with pytest.raises(CommandExitException) as failure:
        sandbox.commands.run("echo before; exit 3")
    assert (failure.value.exit_code, failure.value.stdout) == (3, "before\n")


def test_commands_run_where_and_as_told(sandbox: Sandbox) -> None:
    assert sandbox.commands.run("pwd; whoami").stdout == "/home/user\nuser\n"
    assert sandbox.commands.run("pwd", cwd="/tmp").stdout == "/tmp\n"
    root = sandbox.commands.run("echo $HOME", user="root").stdout
    assert root == "/root\n"


def test_output_of_commands_comes_as_it_happens(sandbox: Sandbox) -> None:
    heard: list[str] = []

    def hear(text: str) -> None:
        heard.append(text)
        sandbox.files.write("/tmp/gate", "")

    wait = "echo first; until [ -e /tmp/gate ]; do sleep 0.01; done; echo second"
    sandbox.commands.run(wait, on_stdout=hear, timeout=20)
    assert "".join(heard) == "first\nsecond\n"


def test_a_background_command_is_fed_listed_and_killed(sandbox: Sandbox) -> None:
    handle = sandbox.commands.run("cat", background=True, stdin=True)
    assert handle.pid in [process.pid for process in sandbox.commands.list()]
    heard = threading.Event()

    def follow() -> None:
        with contextlib.suppress(CommandExitException):
            handle.wait(on_stdout=lambda _: heard.set())

    follower = threading.Thread(target=follow)
    follower.start()
    sandbox.commands.send_stdin(handle.pid, "fed\n")
    assert heard.wait(10)
    assert sandbox.commands.kill(handle.pid) is True
    follower.join(10)
    assert handle.pid not in [process.pid for process in sandbox.commands.list()]
    assert sandbox.commands.kill(handle.pid) is False


def test_another_client_can_follow_a_command(sandbox: Sandbox) -> None:
    wait = "until [ -e /tmp/gate ]; do sleep 0.01; done; echo done"
    first = sandbox.commands.run(wait, background=True)
    first.disconnect()
    second = sandbox.commands.connect(first.pid)
    sandbox.files.write("/tmp/gate", "")
    assert second.wait().stdout == "done\n"


def test_a_command_over_its_time_is_ended(sandbox: Sandbox) -> None:
    with pytest.raises(TimeoutException):
        sandbox.commands.run("sleep 100", timeout=0.5)
    wait_until(lambda: sandbox.commands.list() == [])


def test_files_are_written_and_read(sandbox: Sandbox) -> None:
    info = sandbox.files.write("made/on/the/way.txt", "ñandú\n")
    assert info.path == "/home/user/made/on/the/way.txt"
    assert sandbox.files.read("made/on/the/way.txt") == "ñandú\n"
    raw = bytes(range(256)) * 4096
    sandbox.files.write("/tmp/raw", raw)
    assert bytes(sandbox.files.read("/tmp/raw", format="bytes")) == raw
    assert b"".join(sandbox.files.read("/tmp/raw", format="stream")) == raw


def test_many_files_are_written_at_once(sandbox: Sandbox) -> None:
    entries = [WriteEntry(path=f"many/{n}", data=f"number {n}") for n in range(5)]
    assert len(sandbox.files.write_files(entries)) == 5
    assert sorted(entry.name for entry in sandbox.files.list("many")) == list("01234")
    assert sandbox.files.read("many/4") == "number 4"


def test_folders_are_made_listed_renamed_and_removed(sandbox: Sandbox) -> None:
    assert sandbox.files.make_dir("folder/inner") is True
    assert sandbox.files.make_dir("folder/inner") is False
    assert [(e.name, e.type) for e in sandbox.files.list("folder")] == [("inner", FileType.DIR)]
    sandbox.files.rename("folder", "renamed")
    assert sandbox.files.exists("renamed/inner")
    assert not sandbox.files.exists("folder")
    sandbox.files.remove("renamed")
    assert not sandbox.files.exists("renamed")


def test_information_on_a_file(sandbox: Sandbox) -> None:
    sandbox.files.write("known.txt", "12345")
    info = sandbox.files.get_info("known.txt")
    assert (info.name, info.size, info.type) == ("known.txt", 5, FileType.FILE)
    with pytest.raises(FileNotFoundException):
        sandbox.files.get_info("unknown.txt")
    with pytest.raises(FileNotFoundException):
        sandbox.files.read("unknown.txt")


def test_kernels_and_files_see_the_same(sandbox: Sandbox) -> None:
    sandbox.run_code("open('from_code', 'w').write('x')")
    assert sandbox.files.read("from_code") == "x"
    sandbox.files.write("from_files", "y")
    assert sandbox.run_code("open('from_files').read()").text == "y"
