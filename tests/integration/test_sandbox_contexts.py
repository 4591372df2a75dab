"""Contexts under several clients at once: nothing is lost, doubled or waited for in vain."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from e2b_code_interpreter import Context, Execution, Sandbox

from support.sandbox_server import SandboxServer, wait_until

SLEEP = "print('on', flush=True)\nimport time; time.sleep(60)"


@pytest.fixture
def sandbox(sandbox_server: SandboxServer) -> Iterator[Sandbox]:
    sandbox = Sandbox.create(**sandbox_server.sdk)
    yield sandbox
    sandbox.kill()


def test_many_are_made_at_once(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(6) as clients:
        makes = [clients.submit(sandbox.create_code_context) for _ in range(6)]
        contexts = [make.result(20) for make in makes]
        runs = [clients.submit(sandbox.run_code, "1 + 1", context=c) for c in contexts]
        assert [run.result().text for run in runs] == ["2"] * 6
    assert len({context.id for context in contexts}) == 6


@pytest.mark.parametrize(("language", "add"), [("bash", "n=$((n + 1)); echo $n"), ("python", "")])
def test_the_first_use_of_a_language_makes_one_context(
    sandbox: Sandbox, language: str, add: str
) -> None:
    with ThreadPoolExecutor(4) as clients:
        runs = [clients.submit(sandbox.run_code, add, language=language) for _ in range(4)]
        for run in runs:
            run.result()
    made = [context for context in sandbox.list_code_contexts() if context.language == language]
    assert len(made) == 1
    if language == "bash":
        assert "".join(sandbox.run_code(add, language="bash").logs.stdout) == "5\n"


def run_and_meanwhile(
    change: Callable[[Context], object], sandbox: Sandbox, context: Context
) -> Execution:
    """Run what does not end in a context, and change that context once it runs."""
    with ThreadPoolExecutor(1) as clients:
        sleeping = clients.submit(
            sandbox.run_code, SLEEP, context=context, on_stdout=lambda _: change(context)
        )
        return sleeping.result(30)


def test_a_restart_ends_what_runs_there(sandbox: Sandbox) -> None:
    context = sandbox.create_code_context()
    execution = run_and_meanwhile(sandbox.restart_code_context, sandbox, context)
    assert execution.error is not None
    assert execution.error.name == "KernelDied"
    assert sandbox.run_code("1 + 1", context=context).text == "2"
    wait_until(lambda: _kernels(sandbox) == 2)  # the default context's, and this one's


def test_a_removal_ends_what_runs_there(sandbox: Sandbox) -> None:
    context = sandbox.create_code_context()
    execution = run_and_meanwhile(sandbox.remove_code_context, sandbox, context)
    assert execution.error is not None
    assert sandbox.run_code("1 + 1").text == "2"
    wait_until(lambda: _kernels(sandbox) == 1)


def test_a_default_context_that_was_removed_is_made_again(sandbox: Sandbox) -> None:
    sandbox.run_code("lost = 7")
    for context in sandbox.list_code_contexts():
        sandbox.remove_code_context(context)
    assert sandbox.list_code_contexts() == []
    execution = sandbox.run_code("'lost' in globals()")
    assert execution.text == "False"
    assert [context.language for context in sandbox.list_code_contexts()] == ["python"]


def test_restarts_at_once_leave_one_kernel(sandbox: Sandbox) -> None:
    context = sandbox.create_code_context()
    with ThreadPoolExecutor(4) as clients:
        restarts = [clients.submit(sandbox.restart_code_context, context) for _ in range(4)]
        for restart in restarts:
            restart.result(30)
    assert sandbox.run_code("1 + 1", context=context).text == "2"
    wait_until(lambda: _kernels(sandbox) == 2)


def test_a_client_that_leaves_the_queue_is_forgotten(sandbox: Sandbox) -> None:
    """Its code is never run, and those behind it are served."""
    with ThreadPoolExecutor(3) as clients:
        first = clients.submit(sandbox.run_code, "import time; time.sleep(2)")
        time.sleep(0.3)
        impatient = clients.submit(sandbox.run_code, "left = True", timeout=0.5)
        time.sleep(0.3)
        last = clients.submit(sandbox.run_code, "'left' in globals()")
        assert first.result().error is None
        assert impatient.exception() is not None
        assert last.result().text == "False"


def _kernels(sandbox: Sandbox) -> int:
    shown = sandbox.commands.run("ps -eo args | grep -c '^python$' || true").stdout
    return int(shown)
