"""Behaviours of cells: results, state, output, errors, languages."""

import asyncio
from typing import Final

from e2b.exceptions import TimeoutException

from capibara6.selfcheck.probe import Behaviour, DiffersError, Probe, expect, expect_true

_FIGURE: Final = "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()"
_TABLE: Final = "import pandas; pandas.DataFrame({'a': [1]})"
_STREAM: Final = "import time; print('now', flush=True); time.sleep(1.5)"


async def _result(probe: Probe) -> None:
    expect((await (await probe.sandbox()).run_code("1 + 1")).text, "2", "1 + 1")


async def _state(probe: Probe) -> None:
    sandbox = await probe.sandbox()
    await sandbox.run_code("kept = 20")
    expect((await sandbox.run_code("kept + 1")).text, "21", "a variable in the next cell")


async def _streams(probe: Probe) -> None:
    code = "import sys; print('a'); print('b', file=sys.stderr)"
    logs = (await (await probe.sandbox()).run_code(code)).logs
    expect(("".join(logs.stdout), "".join(logs.stderr)), ("a\n", "b\n"), "stdout and stderr")


async def _streamed(probe: Probe) -> None:
    times: list[float] = []
    clock = asyncio.get_running_loop().time
    await (await probe.sandbox()).run_code(_STREAM, on_stdout=lambda _: times.append(clock()))
    expect_true(times, "nothing was printed")
    expect_true(clock() - times[0] > 0.5, "the output came with the end of the cell only")


async def _error(probe: Probe) -> None:
    error = (await (await probe.sandbox()).run_code("1 / 0")).error
    if error is None:
        raise DiffersError("1 / 0 is no error")
    expect((error.name, error.value), ("ZeroDivisionError", "division by zero"), "name and value")
    expect_true("1 / 0" in error.traceback, f"a traceback without the line: {error.traceback:.200}")


async def _timeout(probe: Probe) -> None:
    sandbox = await probe.sandbox()
    await sandbox.run_code("before = 7")
    try:
        await sandbox.run_code("while True: pass", timeout=1)
    except TimeoutException:
        expect((await sandbox.run_code("before")).text, "7", "a variable from before")
    else:
        raise DiffersError("a cell without end came to an end")


async def _figure(probe: Probe) -> None:
    results = (await (await probe.sandbox()).run_code(_FIGURE)).results
    expect_true(results and results[0].png, f"no picture but {results!r:.200}")


async def _table(probe: Probe) -> None:
    results = (await (await probe.sandbox()).run_code(_TABLE)).results
    expect_true(results and "<table" in (results[0].html or ""), f"no table but {results!r:.200}")


async def _contexts(probe: Probe) -> None:
    sandbox = await probe.sandbox()
    await sandbox.run_code("apart = 1")
    context = await sandbox.create_code_context(cwd="/tmp")  # noqa: S108 - the sandbox's own
    code = "import os; 'apart' in globals(), os.getcwd()"
    seen = (await sandbox.run_code(code, context=context)).text
    expect(seen, "(False, '/tmp')", "what another context sees")


async def _environment(probe: Probe) -> None:
    async with probe.own(envs={"GIVEN": "1"}) as sandbox:
        code = "import os; os.environ['GIVEN'] + os.environ.get('CELL', '')"
        expect((await sandbox.run_code(code, envs={"CELL": "2"})).text, "12", "variables")
        expect((await sandbox.run_code(code)).text, "1", "variables of the next cell")


async def _dead_kernel(probe: Probe) -> None:
    sandbox = await probe.sandbox()
    execution = await sandbox.run_code("import os; os._exit(1)")
    expect_true(execution.error is not None, "a kernel's end is no error")
    expect((await sandbox.run_code("1")).text, "1", "the next cell")


async def _javascript(probe: Probe) -> None:
    execution = await (await probe.sandbox()).run_code("40 + 2", language="javascript")
    expect(execution.text, "42", "40 + 2")


async def _bash(probe: Probe) -> None:
    execution = await (await probe.sandbox()).run_code("echo $((40 + 2))", language="bash")
    expect("".join(execution.logs.stdout), "42\n", "echo")


BEHAVIOURS: Final = (
    Behaviour("result of a cell", _result),
    Behaviour("state between cells", _state),
    Behaviour("stdout and stderr", _streams),
    Behaviour("output while a cell runs", _streamed),
    Behaviour("shape of an error", _error),
    Behaviour("a cell's time limit", _timeout),
    Behaviour("pictures", _figure),
    Behaviour("tables", _table),
    Behaviour("contexts are apart", _contexts),
    Behaviour("variables of environment", _environment),
    Behaviour("a kernel that dies", _dead_kernel, required=False),
    Behaviour("JavaScript", _javascript, required=False),
    Behaviour("bash", _bash, required=False),
)
