"""What sandboxes use, over time: through the published SDK and in E2B's form."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest
from e2b_code_interpreter import Sandbox

from capibara6_sandbox.host.history import INTERVAL_S
from support.sandbox_server import SandboxServer, wait_until


@pytest.fixture(autouse=True)
def _measured(sandbox_server: SandboxServer) -> None:
    if not sandbox_server.cgroups():
        pytest.skip("without cgroups, what sandboxes use is not measured")


def get(server: SandboxServer, path: str) -> httpx.Response:
    return httpx.get(server.url + path, headers={"X-API-KEY": server.key})


@pytest.mark.timeout(60)
def test_a_history_is_sampled_and_outlives_a_pause(sandbox_server: SandboxServer) -> None:
    sandbox = Sandbox.create("base", timeout=120, **sandbox_server.sdk)
    try:
        begin = datetime.now(UTC)
        sandbox.commands.run("head -c 20000000 /dev/zero > /tmp/x; seq 3000000 > /dev/null")
        wait_until(lambda: len(sandbox.get_metrics()) >= 3, timeout_s=4 * INTERVAL_S)
        sandbox.pause()
        kept = sandbox.get_metrics()
        assert len(kept) >= 2
        assert all(before.timestamp < after.timestamp for before, after in pairwise(kept))
        assert max(metric.cpu_used_pct for metric in kept) > 0
        assert kept[-1].disk_used >= 20_000_000
        assert kept[-1].mem_used >= kept[-1].mem_cache >= 20_000_000
        assert (
            sandbox.get_metrics(start=begin - timedelta(hours=1), end=begin - timedelta(minutes=30))
            == []
        )
        newest = get(sandbox_server, f"/sandboxes/metrics?sandbox_ids={sandbox.sandbox_id}").json()
        assert newest["sandboxes"][sandbox.sandbox_id]["memTotal"] == kept[-1].mem_total
        sandbox.kill()
        # What was measured stays for a week, and what is unknown has none: as in E2B's cloud.
        assert sandbox.get_metrics()[: len(kept)] == kept
        path = f"/sandboxes/{sandbox.sandbox_id}/metrics?end={int(begin.timestamp()) - 60}"
        assert get(sandbox_server, path).json() == []
        assert get(sandbox_server, "/sandboxes/nosuch/metrics").json() == []
    finally:
        sandbox.kill()


def test_the_newest_of_several_leave_unknown_ones_out(sandbox_server: SandboxServer) -> None:
    made = [Sandbox.create("base", timeout=120, **sandbox_server.sdk) for _ in range(2)]
    try:
        ids = [sandbox.sandbox_id for sandbox in made]
        query = ",".join([*ids, "nosuchsandbox"])
        found: dict[str, Any] = get(
            sandbox_server, f"/sandboxes/metrics?sandbox_ids={query}"
        ).json()["sandboxes"]
        assert sorted(found) == sorted(ids)
    finally:
        for sandbox in made:
            sandbox.kill()


@pytest.mark.parametrize("ids", ["", ",".join(["a"] * 101)])
def test_none_and_too_many_are_refused(sandbox_server: SandboxServer, ids: str) -> None:
    reply = get(sandbox_server, f"/sandboxes/metrics?sandbox_ids={ids}")
    assert reply.status_code == 400
    assert reply.json()["code"] == 400
