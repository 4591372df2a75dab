"""The bound on what a sandbox passes in a second."""

import asyncio

import pytest

from capibara6_sandbox.network import relay


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return slept


async def test_what_goes_beyond_is_waited_for(slept: list[float]) -> None:
    allowance = relay.Allowance(1_000_000)
    await allowance.spend(10_000)
    assert slept == []
    await allowance.spend(5_000_000)
    assert slept[0] == pytest.approx(4.9, abs=0.5)


async def test_without_a_limit_nobody_waits(slept: list[float]) -> None:
    await relay.Allowance(0).spend(1 << 40)
    assert slept == []
