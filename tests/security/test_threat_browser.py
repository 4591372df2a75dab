"""T-WEB: a page in the user's real browser gets nowhere, be it a sandbox's preview or elsewhere."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from e2b_code_interpreter import Sandbox

from support.platform_process import Installation
from support.sandbox_server import SandboxServer, wait_until

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="chromium is not here")
QUIET = (
    "--headless",
    "--no-sandbox",  # the tests run as root; the page is our own
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--virtual-time-budget=15000",
)
PAGE = """<!doctype html><title>attack</title><pre id=told></pre><script>
const goals = GOALS;
const told = [];
async function attempt(name, url, options) {
  try {
    const reply = await fetch(url, options);
    told.push([name, reply.type, reply.status, (await reply.text()).slice(0, 80)]);
  } catch (error) { told.push([name, "refused", 0, ""]); }
}
const form = () => { const f = new FormData(); f.append("file", new Blob(["x"]), "x"); return f; };
(async () => {
  document.cookie = "stolen=1; domain=localhost; path=/";
  const text = {method: "POST", mode: "no-cors", headers: {"Content-Type": "text/plain"}};
  await attempt("run a program", goals.platform + "/api/e2b/execute",
    {...text, body: JSON.stringify({code: "1"})});
  await attempt("read runs", goals.platform + "/api/executions", {});
  await attempt("create", goals.server + "/v2/sandboxes",
    {...text, body: JSON.stringify({templateID: "base"})});
  await attempt("read with a key", goals.server + "/v2/sandboxes",
    {headers: {"X-API-KEY": goals.key}});
  await attempt("upload to another", goals.other + "/files?path=/tmp/by-name",
    {method: "POST", mode: "no-cors", body: form()});
  await attempt("upload through own name", "/files?path=/tmp/by-header",
    {method: "POST", body: form(),
     headers: {"E2b-Sandbox-Id": goals.other_id, "E2b-Sandbox-Port": "49983"}});
  document.getElementById("told").textContent = JSON.stringify(told);
})();
</script>"""


def dom(address: str, folder: Path, *options: str) -> str:
    """Return a page as it is when its scripts are done."""
    assert BROWSER is not None
    command = [BROWSER, *QUIET, f"--user-data-dir={folder}", *options, "--dump-dom", address]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=True).stdout


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A platform without keys, as on a user's machine."""
    installation = Installation(tmp_path_factory.mktemp("browser") / "home")
    try:
        with installation.serving() as url:
            yield url
    finally:
        installation.stop_server()


@pytest.fixture
def other(sandbox_server: SandboxServer) -> Iterator[Sandbox]:
    """A sandbox without a token, whose id the page knows."""
    other = Sandbox.create("base", timeout=120, secure=False, **sandbox_server.sdk)
    yield other
    other.kill()


@pytest.mark.threat("T-WEB-1")
def test_a_preview_attacks_neither_server_nor_other_sandboxes(
    sandbox_server: SandboxServer, sandbox: Sandbox, other: Sandbox, platform: str, tmp_path: Path
) -> None:
    port = sandbox_server.url.rpartition(":")[2]
    goals = {
        "platform": platform,
        "server": f"http://localhost:{port}",
        "other": f"http://49983-{other.sandbox_id}.localhost:{port}",
        "other_id": other.sandbox_id,
        "key": sandbox_server.key,
    }
    sandbox.files.write("/tmp/page/index.html", PAGE.replace("GOALS", json.dumps(goals)))
    service = sandbox.commands.run("python3 -m http.server 8000 -d /tmp/page", background=True)
    own = f"http://8000-{sandbox.sandbox_id}.localhost:{port}/"
    named = {"Host": own.removeprefix("http://").rstrip("/")}
    wait_until(lambda: httpx.get(sandbox_server.url, headers=named).status_code == 200)
    before = len(Sandbox.list(**sandbox_server.sdk).next_items())

    page = dom(own, tmp_path / "profile")

    service.kill()
    told = json.loads(page.partition('<pre id="told">')[2].partition("</pre>")[0])
    outcomes = {name: (kind, status) for name, kind, status, _ in told}
    assert outcomes["read runs"] == outcomes["read with a key"] == ("refused", 0)
    assert outcomes["upload through own name"][1] == 501  # its own service knows no POST
    # What the page may not see, the servers know.
    assert httpx.get(f"{platform}/api/executions").json()["total"] == 0
    assert len(Sandbox.list(**sandbox_server.sdk).next_items()) == before
    assert not other.files.exists("/tmp/by-name")
    assert not other.files.exists("/tmp/by-header")


@pytest.mark.threat("T-WEB-1")
def test_a_name_that_was_pointed_here_is_not_answered(
    sandbox_server: SandboxServer, platform: str, tmp_path: Path
) -> None:
    rebound = "--host-resolver-rules=MAP evil.example 127.0.0.1"
    for url, path, refusal in (
        (platform, "/api/executions", "foreign_host"),
        (sandbox_server.url, "/health", "Invalid host"),
    ):
        port = url.rpartition(":")[2]
        page = dom(f"http://evil.example:{port}{path}", tmp_path / port, rebound)
        assert refusal in page
