"""What the server tells its egress process, of which there is a scripted one here."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from capibara6_sandbox.host import outlets as module
from capibara6_sandbox.host.egress import NetworkSettings
from capibara6_sandbox.host.outlets import CERTIFICATES_MAX, Outlets
from capibara6_sandbox.host.secret_store import SecretStore
from capibara6_sandbox.host.signing import Signed
from capibara6_sandbox.network.policy import HostRule, Policy, restore
from capibara6_sandbox.network.proxies import EgressProxy, ProxyTls

POLICY = Policy(rules=(HostRule("*.a.test", (("X", "${e2b.secrets.key}"),)),))


class ScriptedProcess:
    """Keeps what it is sent, and applies policies unless it is stuck."""

    stuck = False

    def __init__(self, hear: Any, lose: Any) -> None:
        self.hear, self.lose = hear, lose
        self.sent: list[tuple[dict[str, Any], str]] = []
        self.closed = False
        STARTED.append(self)

    async def start(self, settings: NetworkSettings) -> None:
        pass

    def send(self, message: dict[str, Any], fds: Any = ()) -> None:
        self.sent.append((message, ""))

    def send_file(self, message: dict[str, Any], text: str) -> None:
        self.sent.append((message, text))
        if message["op"] == "policy" and not self.stuck:
            applied = {"op": "applied", "number": message["number"]}
            asyncio.get_running_loop().call_soon(self.hear, applied)

    def give_up(self, waited_s: float) -> None:
        self.lose()

    async def close(self) -> None:
        self.closed = True

    def told(self, operation: str) -> list[tuple[dict[str, Any], str]]:
        return [sent for sent in self.sent if sent[0]["op"] == operation]


STARTED: list[ScriptedProcess] = []


class ScriptedAuthority:
    certificate = "CERTIFICATE"

    @classmethod
    async def create(cls, sandbox_id: str) -> "ScriptedAuthority":
        return cls()

    async def vouch(self, host: str) -> Signed:
        return Signed(f"for {host} ", "KEY")


@pytest.fixture
async def outlets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outlets:
    STARTED.clear()
    monkeypatch.setattr(module, "EgressProcess", ScriptedProcess)
    monkeypatch.setattr(module, "Authority", ScriptedAuthority)
    outlets = Outlets(NetworkSettings(), SecretStore(tmp_path / "secrets"))
    await outlets.start()
    return outlets


def process() -> ScriptedProcess:
    return STARTED[-1]


def uplink() -> list[int]:
    return list(os.pipe())


async def test_a_secret_is_told_when_it_changes(outlets: Outlets, tmp_path: Path) -> None:
    key = outlets.open(uplink())
    await outlets.apply(key, POLICY)
    outlets._secrets.create("key", "first", {})
    outlets._secrets.create("other", "not asked for", {})
    outlets._secrets.update("key", "second", None)
    outlets._secrets.destroy("key")
    told = [json.loads(text)["secrets"] for _, text in process().told("policy")]
    assert told[:2] == [{}, {"key": "first"}]
    assert told[-2:] == [{"key": "second"}, {}]
    assert "not asked for" not in str(told)
    await outlets.close()


async def test_certificates_are_for_hosts_with_rules_and_bounded(outlets: Outlets) -> None:
    key = outlets.open(uplink())
    await outlets.apply(key, POLICY)
    await outlets.authority(key, "sandbox")
    names = ["x.a.test", "a.test", "b.test", "*.a.test", "x.a.test", "evil,DNS:b.test", "gone"]
    for name in names:
        await outlets._vouch(key if name != "gone" else 99, name)
    told = [text for _, text in process().told("certificate")]
    assert told == ["for x.a.test KEY", "", "", "", "for x.a.test KEY", ""]
    for number in range(CERTIFICATES_MAX):
        await outlets._vouch(key, f"{number}.a.test")
    assert process().told("certificate")[-1][1] == ""
    await outlets.close()


async def test_wishes_at_the_same_time_are_bounded_too(
    outlets: Outlets, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def vouch(self: ScriptedAuthority, host: str) -> Signed:
        asked.append(host)
        await asyncio.sleep(0)
        return Signed(f"for {host} ", "KEY")

    monkeypatch.setattr(module, "CERTIFICATES_MAX", 2)
    monkeypatch.setattr(ScriptedAuthority, "vouch", vouch)
    key = outlets.open(uplink())
    await outlets.apply(key, POLICY)
    await outlets.authority(key, "sandbox")
    for host in ["1.a.test", "2.a.test", "1.a.test", "3.a.test"]:
        outlets._hear({"op": "vouch", "key": key, "host": host})
    await asyncio.wait(outlets._tasks)
    told = {message["host"]: text for message, text in process().told("certificate")}
    assert told == {"1.a.test": "for 1.a.test KEY", "2.a.test": "for 2.a.test KEY", "3.a.test": ""}
    assert asked == ["1.a.test", "2.a.test"]
    await outlets.close()


async def test_another_process_is_told_all_that_one_which_died_knew(outlets: Outlets) -> None:
    first, second = outlets.open(uplink()), outlets.open(uplink())
    await outlets.apply(second, POLICY)
    died = process()
    outlets._lose()
    await outlets.apply(first, POLICY)  # nobody hears it now
    await outlets._tasks.copy().pop()
    assert died.closed
    assert process() is not died
    assert [message["key"] for message, _ in process().told("open")] == [first, second]
    policies = [restore(json.loads(text)) for _, text in process().told("policy")]
    assert policies == [POLICY, POLICY]
    await outlets.close()


async def test_its_sockets_are_given_back(outlets: Outlets) -> None:
    ours = uplink()
    key = outlets.open(ours)
    outlets.forget(key)
    await outlets.apply(key, POLICY)  # it has ended meanwhile
    await outlets.close()
    for fd in ours:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


@pytest.mark.parametrize(
    "policy",
    [
        Policy(),
        Policy(("a.test", "1.2.3.4"), ("0.0.0.0/0",), False),
        Policy(proxy=EgressProxy("proxy", 1080, "user", "password", ProxyTls("name", "PEM"))),
        Policy(proxy=EgressProxy("proxy", 1080), rules=(HostRule("a"), HostRule("b", ()))),
        POLICY,
    ],
)
async def test_a_policy_arrives_as_it_was_sent(outlets: Outlets, policy: Policy) -> None:
    key = outlets.open(uplink())
    await outlets.apply(key, policy)
    assert restore(json.loads(process().told("policy")[0][1])) == policy
    await outlets.close()


async def test_a_change_is_over_when_nothing_passes_by_the_policy_before(outlets: Outlets) -> None:
    key = outlets.open(uplink())
    process().stuck = True
    changes = [asyncio.create_task(outlets.apply(key, policy)) for policy in (POLICY, Policy())]
    await asyncio.sleep(0)
    numbers = [message["number"] for message, _ in process().told("policy")]
    outlets._hear({"op": "applied", "number": numbers[1]})
    await changes[1]
    assert not changes[0].done()
    outlets._hear({"op": "applied", "number": numbers[0]})
    await changes[0]
    await outlets.close()


async def test_a_process_that_does_not_apply_is_given_up(
    outlets: Outlets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_APPLY_S_MAX", 0.01)
    key = outlets.open(uplink())
    stuck = process()
    stuck.stuck = True
    await outlets.apply(key, POLICY)
    await outlets._tasks.copy().pop()
    assert stuck.closed
    assert process() is not stuck
    assert len(process().told("policy")) == 1
    await outlets.close()


@pytest.mark.parametrize("end", ["_lose", "close"])
async def test_nobody_waits_for_a_process_that_has_ended(outlets: Outlets, end: str) -> None:
    key = outlets.open(uplink())
    process().stuck = True
    change = asyncio.create_task(outlets.apply(key, POLICY))
    await asyncio.sleep(0)
    ended = getattr(outlets, end)()
    if ended is not None:
        await ended
    await change
    await outlets.close()
