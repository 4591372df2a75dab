"""One suite for every provider of sandboxes, written against the port."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from capibara6.config import load_settings
from capibara6.domain.executions import (
    ExecutionRequest,
    ExecutionResult,
    OutputChunk,
    ResultItem,
    SandboxReady,
)
from capibara6.domain.ports import Executor
from capibara6.errors import UnknownTemplateError
from capibara6.execution import E2BExecutor, Provider, check_connection
from support.sandbox_server import START_TIMEOUT_S, SandboxServer

pytestmark = pytest.mark.timeout(START_TIMEOUT_S)  # the first start builds the templates


@pytest.fixture(params=["embedded", "e2b"])
async def executor(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[E2BExecutor]:
    if request.param == "e2b" and not os.environ.get("E2B_API_KEY"):
        pytest.skip("E2B_API_KEY is not set: E2B's cloud is not tested")
    provider = None
    if request.param == "embedded":
        server: SandboxServer = request.getfixturevalue("sandbox_server")
        provider = Provider.embedded(server.url, server.key)
    settings = load_settings(dotenv=tmp_path / "no.env")

    async def find() -> Provider:
        return provider or Provider.cloud(settings)

    executor = E2BExecutor(settings, find)
    yield executor
    await executor.close()


async def items_of(executor: Executor, code: str, **options: object) -> list[object]:
    return [item async for item in executor.execute(ExecutionRequest(code, **options))]


async def run(executor: Executor, code: str, **options: object) -> ExecutionResult:
    result = (await items_of(executor, code, **options))[-1]
    assert isinstance(result, ExecutionResult)
    return result


async def test_output_and_results_come_in_their_order(executor: Executor) -> None:
    first, *between, result = await items_of(executor, "print('a')\ndisplay('b')\nprint('c')\n6*7")
    assert isinstance(first, SandboxReady)
    assert isinstance(result, ExecutionResult)
    shown = [item.text for item in between if isinstance(item, OutputChunk)]
    assert "".join(shown) == result.stdout == "a\nc\n"
    assert [item for item in between if isinstance(item, ResultItem)] == list(result.results)
    assert result.results[-1].is_main_result
    assert result.results[-1].data["text/plain"] == "42"
    assert result.success
    assert result.sandbox_id == first.sandbox_id
    assert result.template == "default"


async def test_output_comes_while_the_program_runs(executor: Executor) -> None:
    code = "print('now', flush=True)\nimport time\ntime.sleep(600)"
    items = executor.execute(ExecutionRequest(code))
    async for item in items:
        if isinstance(item, OutputChunk):
            assert item.text == "now\n"
            break
    else:
        pytest.fail("the output did not come before the end")
    await items.aclose()  # type: ignore[attr-defined]


async def test_a_failing_program_is_data(executor: Executor) -> None:
    result = await run(executor, "import sys\nprint('x', file=sys.stderr)\n{}['key']")
    assert not result.success
    assert result.error is not None
    assert (result.error.name, result.error.value) == ("KeyError", "'key'")
    assert "key" in result.error.traceback
    assert result.stderr == "x\n"


async def test_files_and_environment_go_in_and_files_come_out(executor: Executor) -> None:
    code = """
import os, pandas as pd
table = pd.read_csv("in put/datos.csv")
table["y"] = table["x"] * int(os.environ["FACTOR"])
table.to_csv("out.csv", index=False)
with open("in put/datos.csv", "a") as file: file.write("3\\n")
"""
    files = {"in put/datos.csv": b"x\n1\n2\n", "untouched.bin": bytes(range(256))}
    result = await run(executor, code, files=files, env={"FACTOR": "10"})
    assert result.error is None
    assert {file.name: file.content for file in result.artefacts} == {
        "out.csv": b"x,y\n1,10\n2,20\n",
        "in put/datos.csv": b"x\n1\n2\n3\n",
    }


async def test_figures_and_tables_come_back(executor: Executor) -> None:
    code = """
import matplotlib.pyplot as plt, pandas as pd
plt.plot([1, 2], [3, 4]); plt.title("T"); plt.show()
pd.DataFrame({"a": [1, 2]})
"""
    result = await run(executor, code)
    figure = next(item.data for item in result.results if "image/png" in item.data)
    assert figure["e2b/chart"]["title"] == "T"
    table = result.results[-1].data
    assert table["e2b/data"] == {"a": [1, 2]}
    assert "<table" in table["text/html"]
    assert [file.name for file in result.artefacts] == ["figure-1.png"]
    assert result.artefacts[0].content.startswith(b"\x89PNG")


async def test_a_program_that_never_ends(executor: Executor) -> None:
    result = await run(executor, "while True: pass", timeout_s=1)
    assert result.error is not None
    assert result.error.name == "Timeout"
    assert result.usage.wall_s >= 1


async def test_a_program_that_needs_too_much_memory(executor: Executor) -> None:
    code = "blocks = []\nwhile True: blocks.append(bytearray(50_000_000))"
    result = await run(executor, code, template="quick_script")
    assert result.error is not None
    assert result.error.name in ("OutOfMemory", "SandboxDied", "MemoryError")


async def test_a_program_that_kills_its_kernel(executor: Executor) -> None:
    result = await run(executor, "print('x', flush=True)\nimport os\nos._exit(3)")
    assert result.error is not None
    assert result.error.name == "SandboxDied"
    assert result.stdout == "x\n"


async def test_each_execution_has_its_own_sandbox(executor: Executor) -> None:
    await run(executor, "leak = 1\nopen('leak.txt', 'w').close()")
    result = await run(executor, "import os\n'leak' in globals() or os.path.exists('leak.txt')")
    assert result.results[-1].data["text/plain"] == "False"


async def test_executions_at_the_same_time(executor: Executor) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(executor, f"print({number})")) for number in range(4)]
    assert [task.result().stdout for task in tasks] == ["0\n", "1\n", "2\n", "3\n"]


@pytest.mark.parametrize(
    ("language", "code"), [("javascript", "console.log(6 * 7)"), ("bash", "echo $((6 * 7))")]
)
async def test_other_languages(executor: Executor, language: str, code: str) -> None:
    result = await run(executor, code, language=language)
    assert result.error is None
    assert result.stdout == "42\n"


async def test_an_unknown_template(executor: Executor) -> None:
    with pytest.raises(UnknownTemplateError, match="no-such-template"):
        await run(executor, "1", template="no-such-template")


async def test_the_connection_test_passes(executor: Executor) -> None:
    report = await check_connection(executor)
    assert report.passed, report
    assert {"numpy", "pandas"} <= set(report.packages)


async def test_the_embedded_server_tells_usage_and_keeps_nothing(
    sandbox_server: SandboxServer, tmp_path: Path
) -> None:
    async def find() -> Provider:
        return Provider.embedded(sandbox_server.url, sandbox_server.key)

    executor = E2BExecutor(load_settings(dotenv=tmp_path / "no.env"), find)
    code = "block = bytearray(100_000_000)\nsum(range(10**6))"
    result = await run(executor, code)
    await executor.close()
    if sandbox_server.cgroups():
        assert result.usage.cpu_s is not None
        assert result.usage.cpu_s > 0
        assert result.usage.memory_peak_bytes is not None
        assert result.usage.memory_peak_bytes > 100_000_000
    else:  # nothing measures it there, and the result says so
        assert result.usage.cpu_s is None
        assert result.usage.memory_peak_bytes is None
    async with httpx.AsyncClient(headers={"X-API-KEY": sandbox_server.key}) as client:
        live = (await client.get(f"{sandbox_server.url}/v2/sandboxes")).json()
    assert result.sandbox_id not in {sandbox["sandboxID"] for sandbox in live}
