"""The self-check on everything that can run sandboxes here: it passes, but for what is known."""

import asyncio
import os

import pytest

from capibara6.selfcheck import Outcome, check_behaviours
from capibara6.selfcheck.differences import KNOWN
from support.runtimes import TEMPLATES, needs_runtime
from support.sandbox_server import START_TIMEOUT_S, SandboxServer

pytestmark = pytest.mark.timeout(START_TIMEOUT_S)  # the first start builds the templates
RUNTIMES = {"gvisor": "gvisor", "crun": "container", "runc": "container"}  # as seen from inside


async def failed(server: SandboxServer, template: str, runtime: str) -> set[str]:
    """Return which behaviours are not as they should be; no unknown one is among them."""
    outcomes: list[Outcome] = []
    options = {**server.sdk, "request_timeout": 60, "debug": False}
    checked = await check_behaviours("embedded", options, template, outcomes.append)
    assert checked.runtime == runtime
    assert checked.outcomes == tuple(outcomes)
    assert [o for o in outcomes if o.status == "differs"] == []
    return {o.behaviour for o in outcomes if o.status == "not offered"}


async def test_our_own_walls_offer_everything_but_what_one_id_cannot(
    sandbox_server: SandboxServer,
) -> None:
    runtime = "namespaces" if os.geteuid() == 0 else "one id"
    different = await failed(sandbox_server, "code-interpreter-v1", runtime)
    assert different <= KNOWN[runtime].keys()


async def check_runtime(name: str, server: SandboxServer) -> None:
    runtime = RUNTIMES[name]
    different = await failed(server, TEMPLATES[name], runtime)
    assert {"snapshots", "forks"} <= different <= KNOWN[runtime].keys()


async def test_gvisor_differs_in_what_is_known(container_server: SandboxServer) -> None:
    needs_runtime("gvisor")
    await check_runtime("gvisor", container_server)


async def test_other_runtimes_differ_in_what_is_known(container_server: SandboxServer) -> None:
    for name in ("crun", "runc"):
        needs_runtime(name)
    async with asyncio.TaskGroup() as group:
        for name in ("crun", "runc"):
            group.create_task(check_runtime(name, container_server))


async def test_the_cloud_does_what_it_shall() -> None:
    key = os.environ.get("E2B_API_KEY")
    if not key:
        pytest.skip("E2B_API_KEY is not set: E2B's cloud is not tested")
    checked = await check_behaviours("e2b", {"api_key": key}, "code-interpreter-v1")
    assert checked.passed, checked.as_json()
