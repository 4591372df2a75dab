"""What the executor makes of every way in which a provider or a program can fail."""

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest

from capibara6.config import Settings, load_settings
from capibara6.domain.executions import (
    ExecutionRequest,
    ExecutionResult,
    OutputChunk,
    SandboxReady,
    Usage,
)
from capibara6.errors import (
    CapibaraError,
    ConfigurationError,
    MissingKeyError,
    ProviderError,
    ProviderUnreachableError,
    RequestError,
    SandboxLostError,
    UnknownTemplateError,
)
from capibara6.execution import E2BExecutor, Provider
from capibara6.execution.connection import check_connection
from support.scripted_e2b import HOME, KEY, ScriptedServer, running_scripted_server

LIMITS = {
    "output_bytes_max": 1000,
    "output_bytes_stop": 100_000,
    "artefact_bytes_max": 50,
    "artefacts_bytes_max": 60,
    "artefacts_max": 3,
}


@pytest.fixture(scope="module")
def shared_server() -> Iterator[ScriptedServer]:
    with running_scripted_server() as server:
        yield server


@pytest.fixture
def server(shared_server: ScriptedServer) -> ScriptedServer:
    vars(shared_server).update(vars(ScriptedServer(url=shared_server.url)))
    return shared_server


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("CAPIBARA6_HOME", str(tmp_path))
    monkeypatch.delenv("E2B_API_KEY", raising=False)
    monkeypatch.delenv("CAPIBARA6_EMBEDDED__API_KEY", raising=False)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"limits": LIMITS}), encoding="utf-8")
    return load_settings(path, dotenv=tmp_path / "no.env")


def executor_for(settings: Settings, url: str, key: str = KEY, **changes: object) -> E2BExecutor:
    provider = Provider.embedded(url, key, request_timeout_s=5)
    for name, value in changes.items():
        object.__setattr__(provider, name, value)

    async def find() -> Provider:
        return provider

    return E2BExecutor(settings, find)


@pytest.fixture
async def executor(server: ScriptedServer, settings: Settings) -> AsyncIterator[E2BExecutor]:
    executor = executor_for(settings, server.url)
    yield executor
    await executor.close()


async def run(executor: E2BExecutor, code: str, **options: object) -> ExecutionResult:
    items = [item async for item in executor.execute(ExecutionRequest(code, **options))]
    assert isinstance(items[0], SandboxReady)
    assert isinstance(items[-1], ExecutionResult)
    return items[-1]


async def test_a_port_where_nobody_listens(settings: Settings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    executor = executor_for(settings, url)
    with pytest.raises(ProviderUnreachableError, match=url):
        await run(executor, "x")
    await executor.close()


async def test_a_wrong_key(server: ScriptedServer, settings: Settings) -> None:
    executor = executor_for(settings, server.url, "e2b_" + "b" * 40)
    with pytest.raises(ConfigurationError, match="refuses this key") as caught:
        await run(executor, "x")
    assert "b" * 40 not in str(caught.value)
    await executor.close()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (404, '{"code": 404, "message": "template not found"}', UnknownTemplateError),
        (400, '{"code": 400, "message": "unknown template"}', UnknownTemplateError),
        (400, '{"code": 400, "message": "timeout too long"}', ProviderError),
        (429, '{"code": 429, "message": "slow down"}', ProviderError),
        (503, '{"code": 503, "message": "busy"}', ProviderError),
        (500, "<html>", ProviderError),
        (201, "<html>", ProviderError),
        (201, '{"sandboxID": "x"}', ProviderError),
        (201, "[]", ProviderError),
    ],
)
async def test_a_refused_creation(
    server: ScriptedServer,
    executor: E2BExecutor,
    status: int,
    body: str,
    expected: type[CapibaraError],
) -> None:
    server.refusal = (status, body)
    with pytest.raises(expected) as caught:
        await run(executor, "x", template="mine")
    assert type(caught.value) is expected


async def test_a_connection_cut_under_a_living_sandbox(
    server: ScriptedServer, executor: E2BExecutor
) -> None:
    with pytest.raises(SandboxLostError, match="s1"):
        await run(executor, "cut")
    assert not server.live


async def test_a_sandbox_that_dies_with_its_program(
    server: ScriptedServer, executor: E2BExecutor
) -> None:
    result = await run(executor, "die")
    assert result.error is not None
    assert result.error.name == "SandboxDied"
    assert result.stdout == "begun\n"


@pytest.mark.parametrize(
    ("told", "expected"),
    [("OutOfMemory", "OutOfMemory"), ("KernelDied", "SandboxDied"), ("KeyError", "KeyError")],
)
async def test_what_the_server_says_of_a_failure(
    executor: E2BExecutor, told: str, expected: str
) -> None:
    result = await run(executor, f"error {told}")
    assert result.error is not None
    assert (result.success, result.error.name) == (False, expected)


async def test_an_answer_that_is_not_the_protocol(
    server: ScriptedServer, executor: E2BExecutor
) -> None:
    with pytest.raises(ProviderError):
        await run(executor, "garbage")
    assert not server.live


async def test_a_program_beyond_its_timeout(server: ScriptedServer, executor: E2BExecutor) -> None:
    server.metrics = [{"memPeak": 7, "cpuSeconds": 0.5}]
    result = await run(executor, "hang", timeout_s=0.2)
    assert result.error is not None
    assert result.error.name == "Timeout"
    assert result.stdout == "begun\n"
    assert result.usage.wall_s >= 0.2
    assert (result.usage.cpu_s, result.usage.memory_peak_bytes) == (0.5, 7)
    assert not server.live


async def test_leaving_early_kills_the_sandbox(
    server: ScriptedServer, executor: E2BExecutor
) -> None:
    items = executor.execute(ExecutionRequest("hang"))
    async for item in items:
        if isinstance(item, OutputChunk):
            break
    assert server.live == {"s1"}
    await items.aclose()  # type: ignore[attr-defined]
    assert not server.live


@pytest.mark.parametrize("moment", ["creating", "executing"])
@pytest.mark.parametrize("library", ["asyncio", "anyio"])
async def test_cancelling_kills_the_sandbox(
    server: ScriptedServer, executor: E2BExecutor, moment: str, library: str
) -> None:
    """anyio, which web servers use, cancels every await again until the task has ended."""
    server.slow_creation = 0.2 if moment == "creating" else 0.0
    reached = getattr(server, moment)
    if library == "asyncio":
        task = asyncio.create_task(run(executor, "hang"))
        await asyncio.to_thread(reached.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        async with anyio.create_task_group() as group:
            group.start_soon(run, executor, "hang")
            await asyncio.to_thread(reached.wait)
            group.cancel_scope.cancel()
    await executor.close()
    assert len(server.created) == 1
    assert not server.live


async def test_a_program_that_prints_without_end(
    server: ScriptedServer, executor: E2BExecutor
) -> None:
    request = ExecutionRequest("flood")
    items = [item async for item in executor.execute(request)]
    result = items[-1]
    assert isinstance(result, ExecutionResult)
    assert result.error is not None
    assert result.error.name == "OutputLimit"
    assert result.truncated
    assert "bytes of output left out" in result.stderr
    assert len(result.stderr) < 1200
    shown = sum(len(item.text) for item in items if isinstance(item, OutputChunk))
    assert shown < 1200
    assert not server.live


async def test_new_files_are_artefacts_and_input_is_not(
    server: ScriptedServer, executor: E2BExecutor
) -> None:
    result = await run(executor, "write b.csv .hidden a/.x/y", files={"in.csv": b"1"})
    assert server.files[f"{HOME}/in.csv"] == b"1"
    assert [(file.name, file.mime, file.content) for file in result.artefacts] == [
        ("b.csv", "text/csv", b"new b.csv")
    ]


async def test_artefacts_within_limits_and_the_rest_is_told(
    server: ScriptedServer, executor: E2BExecutor
) -> None:
    server.sizes_told = {f"{HOME}/b.bin": 10**9}
    server.unreadable = {f"{HOME}/c.bin"}
    result = await run(executor, "write a.bin b.bin c.bin d.bin e.bin f.bin")
    assert [file.name for file in result.artefacts] == ["a.bin", "d.bin", "e.bin"]
    for name in ("b.bin", "c.bin", "f.bin"):
        assert f"Artefact left behind: {name}" in result.stderr
    assert result.truncated


async def test_a_file_larger_than_it_claimed(server: ScriptedServer, executor: E2BExecutor) -> None:
    name = "n" * 60
    server.sizes_told = {f"{HOME}/{name}": 1}
    result = await run(executor, f"write {name}")
    assert result.artefacts == ()
    assert "more than 50 bytes" in result.stderr


async def test_figures_are_artefacts(executor: E2BExecutor) -> None:
    png = base64.b64encode(b"\x89PNG").decode()
    chart = {"type": "line", "title": "t", "elements": [], "x_label": "x", "y_label": "y"}
    chart |= {"x_unit": "", "y_unit": "", "x_ticks": [], "y_ticks": [], "x_tick_labels": []}
    chart |= {"y_tick_labels": [], "x_scale": "linear", "y_scale": "linear"}
    shown = {"png": png, "chart": chart, "svg": "<svg/>", "extra": {"a/b": 1}, "data": {"x": [1]}}
    result = await run(executor, f"show {json.dumps(shown)}")
    assert [(file.name, file.content) for file in result.artefacts] == [
        ("figure-1.png", b"\x89PNG"),
        ("figure-1.svg", b"<svg/>"),
    ]
    bundle = result.results[0].data
    assert bundle["e2b/chart"] == chart
    assert bundle["e2b/data"] == {"x": [1]}
    assert bundle["a/b"] == 1


@pytest.mark.parametrize(
    ("content", "names"),
    [(b"new figure-1.png", ["figure-1.png"]), (b"x", ["figure-1.png", "displayed-figure-1.png"])],
)
async def test_a_figure_that_is_also_a_file(
    server: ScriptedServer, executor: E2BExecutor, content: bytes, names: list[str]
) -> None:
    png = base64.b64encode(content).decode()
    result = await run(executor, f"write-and-show figure-1.png {json.dumps({'png': png})}")
    assert [file.name for file in result.artefacts] == names


async def test_input_that_does_not_fit(server: ScriptedServer, executor: E2BExecutor) -> None:
    with pytest.raises(RequestError, match="do not fit"):
        await run(executor, "x", files={"too-big.bin": b"x"})
    assert not server.live


@pytest.mark.parametrize(
    ("metrics", "status", "expected"),
    [
        ([{"memUsed": 5}, {"memUsed": 9}], 200, (None, 9)),
        ([{"memPeak": "x", "cpuSeconds": -1}, 3], 200, (None, None)),
        ({"no": "list"}, 200, (None, None)),
        ([], 500, (None, None)),
    ],
)
async def test_metrics_that_say_little(
    server: ScriptedServer,
    executor: E2BExecutor,
    metrics: object,
    status: int,
    expected: tuple[object, object],
) -> None:
    server.metrics, server.metrics_status = metrics, status
    usage: Usage = (await run(executor, "nothing")).usage
    assert (usage.cpu_s, usage.memory_peak_bytes) == expected


async def test_what_the_server_is_asked_for(server: ScriptedServer, executor: E2BExecutor) -> None:
    await run(executor, "nothing", template="quick_script", env={"A": "b"}, language="bash")
    asked = server.created[0]
    assert (asked["templateID"], asked["timeout"]) == ("quick_script", 120)
    assert asked["allow_internet_access"] is False
    assert server.executed[0]["env_vars"] == {"A": "b"}
    assert server.executed[0]["language"] == "bash"


async def test_a_cloud_has_no_presets(server: ScriptedServer, settings: Settings) -> None:
    executor = executor_for(settings, server.url, preset_template="code-interpreter-v1")
    assert (await run(executor, "nothing", template="visualization")).template == "visualization"
    await run(executor, "nothing", template="own-template")
    names = [asked["templateID"] for asked in server.created]
    assert names == ["code-interpreter-v1", "own-template"]
    await executor.close()


async def test_the_cloud_needs_its_key(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPIBARA6_PROVIDER", "e2b")
    executor = E2BExecutor(load_settings(dotenv=Path("no.env")))
    with pytest.raises(MissingKeyError, match="E2B_API_KEY"):
        await run(executor, "x")
    await executor.close()


async def test_the_running_server_is_found_by_its_state_file(
    server: ScriptedServer, settings: Settings
) -> None:
    executor = E2BExecutor(settings)
    with pytest.raises(ProviderUnreachableError, match="not started here"):
        await run(executor, "x")
    state = settings.home / "sandbox-server.json"
    state.write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"sandbox-server\.json"):
        await run(executor, "x")
    state.write_text(json.dumps({"api_url": server.url, "api_key": KEY}), encoding="utf-8")
    assert (await run(executor, "nothing")).success
    await executor.close()


async def test_the_connection_test_tells_what_fails(
    server: ScriptedServer, executor: E2BExecutor
) -> None:
    report = await check_connection(executor)
    assert [(check.name, check.passed) for check in report.checks] == [
        ("basic", False),
        ("numpy_pandas", False),
        ("packages", False),
    ]
    assert "begun" in report.checks[0].detail
    server.refusal = (500, "{}")
    report = await check_connection(executor)
    assert not report.passed
    assert [(check.name, check.error_code) for check in report.checks] == [("basic", "provider")]
