"""The supervisor against a small scripted server process: real processes, files and sockets."""

import asyncio
import os
import stat
import sys

import pytest

from capibara6.errors import ProviderUnreachableError
from capibara6.supervision.environment import server_environment
from capibara6.supervision.server import EmbeddedServer
from capibara6.supervision.state import is_alive, read_state

SERVER = r"""
import http.server, json, os, sys
state = sys.argv[sys.argv.index("--state") + 1]
key = "e2b_" + "a" * 40
print("export E2B_API_KEY=" + key, flush=True)
print(json.dumps({"progress": 0.5, "message": "building"}), file=sys.stderr, flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        good = self.path.startswith("/v2/sandboxes") and self.headers["X-API-KEY"] == key
        body = json.dumps(sorted(os.environ)).encode()
        self.send_response(200 if good else 401)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(os.open(state, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
    url = f"http://127.0.0.1:{server.server_address[1]}"
    values = {"pid": os.getpid(), "api_url": url, "api_key": key, "started_at": "now"}
    json.dump({**values, "degraded": ["no cgroups"]}, file)
server.serve_forever()
"""
DYING = "import sys; print('no user namespaces here', file=sys.stderr); sys.exit(3)"


def server(home, script=SERVER):
    return EmbeddedServer(home, command=(sys.executable, "-c", script))


@pytest.fixture
async def started(tmp_path):
    supervisor = server(tmp_path)
    yield supervisor
    await supervisor.stop()


async def test_a_server_is_started_once_and_found_again(started, tmp_path):
    heard = []

    first = await started.ensure(lambda share, message: heard.append((share, message)))
    second = await server(tmp_path).ensure()

    assert heard == [(0.5, "building")]
    assert second == first
    assert is_alive(first.pid)
    assert os.getsid(first.pid) == first.pid  # detached: our terminal's signals do not reach it


async def test_what_the_machine_does_not_offer_is_known_to_who_starts_and_who_finds(
    started, tmp_path
):
    finder = server(tmp_path)

    await started.ensure()
    await finder.ensure()

    assert started.degraded == finder.degraded == ("no cgroups",)


async def test_two_starters_at_once_start_one_server(tmp_path):
    supervisors = [server(tmp_path), server(tmp_path)]

    one, two = await asyncio.gather(*(supervisor.ensure() for supervisor in supervisors))

    assert one == two
    assert [supervisor.started_pid for supervisor in supervisors].count(None) == 1
    for supervisor in supervisors:
        await supervisor.stop()
    assert not is_alive(one.pid)


async def test_the_key_is_in_the_state_file_alone(started):
    address = await started.ensure()

    assert stat.S_IMODE(started.state_file.stat().st_mode) == 0o600
    assert address.api_key not in started.log_file.read_text()
    assert address.api_key not in repr(address)


async def test_a_state_file_that_outlived_its_server_is_not_believed(started, tmp_path):
    first = await started.ensure()
    await started.stop()

    assert read_state(started.state_file) == first
    assert await server(tmp_path).running() is None
    assert (await started.ensure()).pid != first.pid


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": "x", "api_url": 1}'])
def test_a_broken_state_file_is_as_good_as_none(tmp_path, text):
    file = tmp_path / "server.json"
    file.write_text(text)

    assert read_state(file) is None


async def test_a_server_that_ends_while_starting_says_why(tmp_path):
    with pytest.raises(ProviderUnreachableError, match="no user namespaces here"):
        await server(tmp_path, DYING).ensure()


async def test_a_cancelled_start_leaves_no_process(tmp_path):
    silent = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))"
    supervisor = server(tmp_path, f"{silent}; time.sleep(600)")
    task = asyncio.create_task(supervisor.ensure())
    pid_file = tmp_path / "pid"
    async with asyncio.timeout(30):
        while not (pid_file.exists() and pid_file.read_text()):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not is_alive(int(pid_file.read_text()))


def test_the_environment_of_the_server_holds_no_secret():
    ours = {
        "PATH": "/usr/bin",
        "LC_ALL": "C.UTF-8",
        "E2B_API_KEY": "e2b_cloud",
        "OPENAI_API_KEY": "sk-1",
        "CAPIBARA6_API_KEYS": "k",
        "CAPIBARA6_DATABASE_URL": "postgresql://u:p@h/d",
        "CAPIBARA6_SANDBOX_POOL": "4",
    }

    assert server_environment(ours, E2B_API_KEY="own") == {
        "PATH": "/usr/bin",
        "LC_ALL": "C.UTF-8",
        "CAPIBARA6_SANDBOX_POOL": "4",
        "E2B_API_KEY": "own",
    }
