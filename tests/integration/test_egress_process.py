"""The egress process itself: what does not start is ended, and leaves nothing behind."""

import asyncio
import gc
import os
import signal
from typing import Any

import pytest

from capibara6_sandbox.host import egress
from capibara6_sandbox.host.egress import EgressProcess, NetworkSettings
from capibara6_sandbox.host.zygotes import ZygoteError


class Spawned:
    """Starts a program that never answers in place of the egress process."""

    def __init__(self) -> None:
        self.pids: list[int] = []
        self.any = asyncio.Event()

    def __call__(self, setup: dict[str, Any], end: Any) -> int:
        silent = ["/bin/sleep", "1000"]
        actions = [(os.POSIX_SPAWN_DUP2, end.fileno(), egress.CHANNEL_FD)]
        self.pids.append(os.posix_spawn(silent[0], silent, {}, file_actions=actions))
        self.any.set()
        return self.pids[-1]


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> Spawned:
    spawned = Spawned()
    monkeypatch.setattr(egress, "_spawn", spawned)
    return spawned


def assert_ended(pid: int) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def new_process() -> EgressProcess:
    return EgressProcess(lambda message: None, lambda: None)


async def test_one_that_does_not_answer_in_time_is_ended(
    spawned: Spawned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(egress, "START_TIMEOUT_S", 0.1)
    gc.collect()  # what earlier tests left open may be closed at any time
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ZygoteError, match="did not start in"):
        await new_process().start(NetworkSettings(servers=(("127.0.0.1", 53),)))
    assert_ended(spawned.pids[0])
    assert len(os.listdir("/proc/self/fd")) <= before


async def test_one_that_nobody_waits_for_any_more_is_ended(spawned: Spawned) -> None:
    starting = asyncio.create_task(
        new_process().start(NetworkSettings(servers=(("127.0.0.1", 53),)))
    )
    await spawned.any.wait()
    starting.cancel()
    await asyncio.wait([starting], timeout=30)
    assert starting.cancelled()
    assert_ended(spawned.pids[0])


async def test_one_that_ends_at_its_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(setup: dict[str, Any], end: Any) -> int:
        return os.posix_spawn("/bin/false", ["/bin/false"], {})

    monkeypatch.setattr(egress, "_spawn", fail)
    with pytest.raises(ZygoteError, match="ended at its start"):
        await new_process().start(NetworkSettings(servers=(("127.0.0.1", 53),)))


async def test_one_that_takes_no_messages_is_ended_and_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pids: list[int] = []
    spawn = egress._spawn
    monkeypatch.setattr(egress, "_spawn", lambda *args: pids.append(spawn(*args)) or pids[-1])
    lost = asyncio.Event()
    process = EgressProcess(lambda message: None, lost.set)
    await process.start(NetworkSettings(servers=(("127.0.0.1", 53),)))
    os.kill(pids[0], signal.SIGSTOP)
    for _ in range(10_000):
        process.send({"op": "nonsense", "padding": "x" * 10_000})
        if lost.is_set():
            break
        await asyncio.sleep(0)
    assert lost.is_set()
    await process.close()
    assert_ended(pids[0])
