"""A task whose runs are known meets a lower limit in a real sandbox, and is repeated with more."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from capibara6.config import load_settings
from capibara6.domain.executions import (
    ExecutionRequest,
    ExecutionResult,
    OutputChunk,
    Repeating,
    SandboxReady,
)
from capibara6.execution import E2BExecutor, Provider
from capibara6.execution.providers import ProviderSource
from capibara6.store import Store, UsageSample
from capibara6.tuning import TunedExecutor, Tuner
from support.sandbox_server import START_TIMEOUT_S, SandboxServer

pytestmark = pytest.mark.timeout(START_TIMEOUT_S)

MIB = 1024 * 1024
TASK = {"template": "data_analysis", "task": "describe"}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_run_beyond_what_its_task_used_is_killed_and_repeated(
    sandbox_server: SandboxServer, tmp_path: Path
) -> None:
    if not sandbox_server.has_cgroups:
        pytest.skip("no cgroups: a sandbox's memory cannot be bounded one by one")
    settings = load_settings(dotenv=tmp_path / "no.env")
    store = await Store.open(f"sqlite:///{tmp_path / 'c.db'}", tmp_path)
    inner = E2BExecutor(settings, _provider(sandbox_server))
    try:
        for _ in range(20):
            sample = UsageSample(None, NOW, wall_s=1.0, cpu_s=0.1, error_name="", **_used(80))
            await store.usage.add(sample)
        tuner = Tuner(store.usage, store.pins, settings.templates, settings.tuning)
        await tuner.refresh()
        executor = TunedExecutor(inner, tuner)
        modest = [item async for item in executor.execute(ExecutionRequest("print(1)", **TASK))]
        code = "print('begun', flush=True)\ntaken = bytearray(500 * 1024 * 1024)\nprint(len(taken))"
        greedy = [item async for item in executor.execute(ExecutionRequest(code, **TASK))]
    finally:
        await inner.close()
        await store.close()
    ready, *_, result = modest
    assert isinstance(ready, SandboxReady)
    assert ready.grant
    assert ready.grant.memory_bytes == 128 * MIB
    assert isinstance(result, ExecutionResult)
    assert result.success
    assert result.usage.output_bytes == 2
    assert result.usage.disk_peak_bytes is not None
    *_, last = greedy
    (repeating,) = [item for item in greedy if isinstance(item, Repeating)]
    assert repeating.error_name == "OutOfMemory"
    assert isinstance(last, ExecutionResult)
    assert last.success
    assert last.stdout == f"begun\n{500 * MIB}\n"
    assert last.usage.first_error == "OutOfMemory"
    shown = "".join(item.text for item in greedy if isinstance(item, OutputChunk))
    assert shown.count("begun") == 2


def _used(peak_mib: int) -> dict[str, object]:
    return {**TASK, "memory_peak_bytes": peak_mib * MIB}


def _provider(server: SandboxServer) -> ProviderSource:
    async def find() -> Provider:
        return Provider.embedded(server.url, server.key)

    return find
