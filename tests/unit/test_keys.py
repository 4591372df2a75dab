"""API keys: kept hashed, found at once, limited."""

import argparse
import asyncio
import json

import httpx
import pytest

from capibara6_http.rates import Bucket
from capibara6_sandbox.errors import BadRequestError, ConflictError, NotFoundError
from capibara6_sandbox.gateway.metering import Meters
from capibara6_sandbox.host.key_records import KeyLimits
from capibara6_sandbox.host.keys import KeyRing
from capibara6_sandbox.keys_command import add_keys_command, run_keys_command


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


def test_a_key_opens_until_it_is_removed_and_is_kept_nowhere(tmp_path):
    ring = KeyRing(tmp_path / "keys")
    plain = ring.add("ci", "builders", KeyLimits(sandboxes=3))
    found = ring.find(plain)
    assert (found.name, found.team, found.limits.sandboxes) == ("ci", "builders", 3)
    assert all(plain not in file.read_text() for file in (tmp_path / "keys").iterdir())
    assert plain not in repr(found)
    for wrong in ("", plain[:-1], plain + "0", plain.upper(), "e2b_", "\udcff"):
        assert ring.find(wrong) is None
    ring.remove("ci")
    assert ring.find(plain) is None


def test_another_process_sees_a_new_key_within_a_second(tmp_path):
    clock = Clock()
    server = KeyRing(tmp_path / "keys", clock)
    plain = KeyRing(tmp_path / "keys").add("late", "default", KeyLimits())
    assert server.find(plain) is None  # it has looked a moment ago
    clock.now_s += 1
    assert server.find(plain).name == "late"
    KeyRing(tmp_path / "keys").remove("late")
    clock.now_s += 1
    assert server.find(plain) is None


def test_the_servers_own_key_is_in_no_file(tmp_path):
    ring = KeyRing(tmp_path / "keys")
    own = ring.admit("e2b_" + "a" * 40)
    assert ring.find("e2b_" + "a" * 40) == own
    assert (own.team, own.limits, list((tmp_path / "keys").iterdir())) == (
        "default",
        KeyLimits(),
        [],
    )


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", "a" * 65, "ñ"])
def test_names_and_teams_are_plain_words(tmp_path, name):
    ring = KeyRing(tmp_path)
    with pytest.raises(BadRequestError, match="name"):
        ring.add(name, "default", KeyLimits())
    with pytest.raises(BadRequestError, match="team"):
        ring.add("x", name, KeyLimits())


def test_a_name_is_taken_once_and_removed_once(tmp_path):
    ring = KeyRing(tmp_path)
    ring.add("x", "default", KeyLimits())
    for name in ("x", "server"):
        with pytest.raises(ConflictError, match=name):
            ring.add(name, "default", KeyLimits())
    ring.remove("x")
    with pytest.raises(NotFoundError, match="'x'"):
        ring.remove("x")


def test_the_command_adds_lists_and_removes(tmp_path):
    def run(*words):
        parser = argparse.ArgumentParser()
        add_keys_command(parser.add_subparsers(dest="command"))
        return list(run_keys_command(KeyRing(tmp_path), parser.parse_args(["keys", *words])))

    [plain] = run("add", "ci", "--team", "builders", "--max-sandboxes", "5", "--max-bytes", "1e6")
    assert plain.startswith("e2b_")
    rows = [line.split("\t") for line in run("list")]
    assert rows[1][:5] == ["ci", "builders", "5", "-", "1e+06"]
    assert run("remove", "ci") == []
    assert len(run("list")) == 1
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        run("add", "x", "--max-requests", "-1")


def test_a_bucket_fills_steadily_and_can_be_overdrawn():
    clock = Clock()
    bucket = Bucket(10.0, 20.0, clock)
    bucket.take(50.0)
    assert bucket.wait_s() == 3.0
    assert bucket.wait_s(10.0) == 4.0
    clock.now_s = 3.5
    assert bucket.wait_s() == 0.0
    clock.now_s = 1000.0
    assert bucket.balance == 20.0


async def body_of(scope, receive, send):
    """Answer with 1,000 bytes; /wait does so when it is told to."""
    if scope["path"] == "/wait":
        await body_of.gate.wait()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * 1000})


def metered(limits, at_once=100):
    meters = Meters(lambda _: limits, at_once)

    async def app(scope, receive, send):
        await meters.serve("key", body_of, scope, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def test_too_many_requests_are_told_when_to_come_again():
    async with metered(KeyLimits(requests_s=5)) as http:
        statuses = [(await http.get("/")).status_code for _ in range(30)]
        refused = await http.get("/")
    assert statuses[:10] == [200] * 10
    assert 429 in statuses
    assert refused.json() == {"code": 429, "message": "Rate limit exceeded"}
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["ratelimit-limit"] == "10"


async def test_bytes_beyond_the_limit_keep_the_next_request_out():
    async with metered(KeyLimits(bytes_s=100)) as http:
        assert (await http.get("/")).status_code == 200
        refused = await http.get("/")
    assert refused.status_code == 429
    assert 5 <= int(refused.headers["retry-after"]) <= 8  # 800 bytes too many, 100 a second


async def test_one_key_cannot_take_all_of_the_server():
    body_of.gate = asyncio.Event()
    async with metered(KeyLimits(), at_once=2) as http, asyncio.TaskGroup() as group:
        waiting = [group.create_task(http.get("/wait")) for _ in range(2)]
        await asyncio.sleep(0.05)
        refused = await http.get("/")
        body_of.gate.set()
        assert [(await task).status_code for task in waiting] == [200, 200]
        assert (await http.get("/")).status_code == 200
    assert refused.status_code == 429
    assert "2 requests of this key" in json.loads(refused.text)["message"]
