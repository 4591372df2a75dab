"""What the self-check makes of behaviours that hold, differ, are known to, or never end."""

import asyncio

import pytest
from e2b.exceptions import SandboxException

from capibara6.selfcheck import report
from capibara6.selfcheck.differences import KNOWN, known_difference
from capibara6.selfcheck.probe import Behaviour, DiffersError, Probe, expect
from capibara6.selfcheck.report import BEHAVIOURS, Outcome, SelfCheck, try_behaviour

PROBE = Probe({}, "any")


async def holds(probe: Probe) -> None:
    expect(1, 1, "one")


async def differs(probe: Probe) -> None:
    expect(1, 2, "one")


async def refused(probe: Probe) -> None:
    raise SandboxException("no such thing here")


async def endless(probe: Probe) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        (holds, ""),
        (differs, "one: 1, not 2"),
        (refused, "SandboxException: no such thing here"),
        (endless, "no end within 0 s"),
    ],
)
async def test_a_behaviour_that_fails_says_why(
    attempt: object, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "BEHAVIOUR_S_MAX", 0.01)
    assert await try_behaviour(Behaviour("b", attempt), PROBE) == reason


def test_only_what_is_required_fails_the_check() -> None:
    def check(*outcomes: Outcome) -> bool:
        return SelfCheck("embedded", "namespaces", outcomes).passed

    assert check(Outcome("a", "ok", True, 0.1), Outcome("b", "differs", False, 0.1, "why"))
    assert check(Outcome("a", "not offered", True, 0.1, "known"))
    assert not check(Outcome("a", "ok", True, 0.1), Outcome("b", "differs", True, 0.1, "why"))


def test_names_are_there_once_and_known_differences_are_of_them() -> None:
    names = [behaviour.name for behaviour in BEHAVIOURS]
    assert len(names) == len(set(names))
    for runtime, differences in KNOWN.items():
        assert differences.keys() <= set(names), runtime
    assert known_difference("gvisor", "forks")
    assert known_difference("namespaces", "forks") == ""


def test_what_came_is_told_but_not_without_end() -> None:
    with pytest.raises(DiffersError) as caught:
        expect("x" * 10_000, "y", "letters")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("provider", "seen", "runtime"),
    [
        ("embedded", "namespaces", "namespaces"),
        ("embedded", "gvisor", "gvisor"),
        ("e2b", "namespaces", "e2b"),
        ("e2b", "gvisor", "gvisor"),  # a server of ours that somebody named by E2B_API_URL
        ("e2b", "container", "container"),
    ],
)
async def test_runtimes_are_known_whoever_provides(
    provider: str, seen: str, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look(_: Probe) -> str:
        return seen

    monkeypatch.setattr(Probe, "runtime", look)
    monkeypatch.setattr(report, "BEHAVIOURS", (Behaviour("forks", differs),))
    checked = await report.check_behaviours(provider, {}, "any")
    assert checked.runtime == runtime
    assert checked.passed == (runtime in ("gvisor", "container"))
