"""Ports of services inside a sandbox, through the gateway."""

import asyncio
import hashlib
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import websockets
from e2b_code_interpreter import Sandbox

from support.preview_services import PORT, get, route, seen, start_service
from support.sandbox_server import SandboxServer, wait_until

MB = 1_000_000
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"


@pytest.fixture(scope="module")
def sandbox(sandbox_server: SandboxServer) -> Iterator[Sandbox]:
    sandbox = Sandbox.create(timeout=600, **sandbox_server.sdk)
    start_service(sandbox_server, sandbox)
    yield sandbox
    sandbox.kill()


def test_a_request_arrives_as_it_was_sent(sandbox_server: SandboxServer, sandbox: Sandbox) -> None:
    reply = get(sandbox_server, sandbox, "/a%2Fb/c?x=1&y=%20", X_Mine="1", Cookie="a=b")
    told = seen(reply)
    assert told["path"] == "/a%2Fb/c?x=1&y=%20"
    assert told["headers"]["x-mine"] == "1"
    assert told["headers"]["cookie"] == "a=b"
    assert told["headers"]["host"] == sandbox_server.url.removeprefix("http://")
    assert told["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert told["headers"]["x-forwarded-proto"] == "http"
    assert told["headers"]["x-forwarded-host"] == told["headers"]["host"]
    assert reply.headers.get_list("x-twice") == ["a", "b"]
    assert len(reply.headers.get_list("date")) == 1


def test_a_client_cannot_say_where_it_comes_from(
    sandbox_server: SandboxServer, sandbox: Sandbox
) -> None:
    forged = {"X_Forwarded_For": "10.0.0.1", "X_Forwarded_Port": "1", "Forwarded": "for=10.0.0.1"}
    told = seen(get(sandbox_server, sandbox, **forged))["headers"]
    assert told["x-forwarded-for"] == "127.0.0.1"
    assert "x-forwarded-port" not in told
    assert "forwarded" not in told


def test_a_host_name_leads_to_the_port(sandbox_server: SandboxServer, sandbox: Sandbox) -> None:
    host = sandbox.get_host(PORT)
    reply = httpx.get(f"{sandbox_server.url}/", headers={"Host": host})
    assert seen(reply)["headers"]["host"] == host


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_passes(sandbox_server: SandboxServer, sandbox: Sandbox, method: str) -> None:
    reply = httpx.request(method, sandbox_server.url, headers=route(sandbox), content=b"abc")
    assert (seen(reply)["method"], seen(reply)["bytes"]) == (method, 3)


def test_a_reply_to_head_has_no_body(sandbox_server: SandboxServer, sandbox: Sandbox) -> None:
    with httpx.Client(headers=route(sandbox)) as client:
        for _ in range(2):
            reply = client.head(sandbox_server.url)
            assert (reply.headers["content-length"], reply.content) == ("1000", b"")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_arrives_whole(
    sandbox_server: SandboxServer, sandbox: Sandbox, chunked: bool
) -> None:
    body = bytes(range(256)) * 40_000
    pieces = (body[at : at + 100_000] for at in range(0, len(body), 100_000))
    reply = httpx.post(
        sandbox_server.url, headers=route(sandbox), content=pieces if chunked else body, timeout=60
    )
    told = seen(reply)
    assert (told["bytes"], told["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())


def test_one_connection_serves_the_port_and_the_control_plane(
    sandbox_server: SandboxServer, sandbox: Sandbox
) -> None:
    """A connection that led to a sandbox must not go on leading to it."""
    with httpx.Client(limits=httpx.Limits(max_connections=1)) as client:
        for _ in range(3):
            assert client.get(f"{sandbox_server.url}/x", headers=route(sandbox)).status_code == 200
            assert client.get(f"{sandbox_server.url}/sandboxes").status_code == 401


def test_a_hundred_megabytes_pass_with_flat_memory(
    sandbox_server: SandboxServer, sandbox: Sandbox
) -> None:
    get(sandbox_server, sandbox, f"/big/{10 * MB}")
    before = sandbox_server.memory_bytes()
    received = 0
    url = f"{sandbox_server.url}/big/{100 * MB}"
    with httpx.stream("GET", url, headers=route(sandbox), timeout=60) as reply:
        for piece in reply.iter_bytes():
            received += len(piece)
    assert received == 100 * MB
    assert sandbox_server.memory_bytes() - before < 20 * MB


def test_a_slow_client_costs_no_memory(sandbox_server: SandboxServer, sandbox: Sandbox) -> None:
    before = sandbox_server.memory_bytes()
    url = f"{sandbox_server.url}/big/{100 * MB}"
    with httpx.stream("GET", url, headers=route(sandbox), timeout=60) as reply:
        for number, _ in enumerate(reply.iter_raw()):
            time.sleep(0.02)
            if number == 50:
                break
    assert sandbox_server.memory_bytes() - before < 20 * MB


def test_a_reply_without_its_body_leaves_the_connection_usable(
    sandbox_server: SandboxServer, sandbox: Sandbox
) -> None:
    with httpx.Client(headers=route(sandbox), timeout=10) as client:
        for _ in range(3):
            reply = client.get(f"{sandbox_server.url}/same")
            assert (reply.status_code, reply.headers["etag"], reply.content) == (304, "x", b"")
            assert client.get(sandbox_server.url).status_code == 200


def test_events_come_one_by_one(sandbox_server: SandboxServer, sandbox: Sandbox) -> None:
    url = f"{sandbox_server.url}/events/5"
    with httpx.stream("GET", url, headers=route(sandbox), timeout=30) as reply:
        pieces = list(reply.iter_text())
    assert "".join(pieces) == "".join(f"data: {number}\n\n" for number in range(5))
    assert len(pieces) > 2


def test_a_cut_reply_is_not_taken_for_a_whole_one(
    sandbox_server: SandboxServer, sandbox: Sandbox
) -> None:
    with pytest.raises(httpx.TransportError):
        get(sandbox_server, sandbox, "/half")


def test_what_is_no_reply_is_told(sandbox_server: SandboxServer, sandbox: Sandbox) -> None:
    reply = get(sandbox_server, sandbox, "/garbage")
    assert reply.status_code == 502
    assert reply.json()["message"].startswith("The service gave no reply: it is no HTTP")


async def test_a_web_socket_echoes(sandbox_server: SandboxServer, sandbox: Sandbox) -> None:
    url = sandbox_server.url.replace("http", "ws") + "/socket"
    async with websockets.connect(url, additional_headers=route(sandbox), proxy=None) as echo:
        for text in ("one", "two" * 5_000, "three"):
            await echo.send(text)
            assert await echo.recv() == text


async def test_a_web_socket_that_is_refused_gets_the_reply(
    sandbox_server: SandboxServer, sandbox: Sandbox
) -> None:
    url = sandbox_server.url.replace("http", "ws") + "/nothing"
    with pytest.raises(websockets.InvalidStatus, match="200"):
        await websockets.connect(url, additional_headers=route(sandbox), proxy=None)


async def test_a_kill_ends_web_sockets_and_downloads(sandbox_server: SandboxServer) -> None:
    sandbox = Sandbox.create(**sandbox_server.sdk)
    await asyncio.to_thread(start_service, sandbox_server, sandbox)
    url = sandbox_server.url.replace("http", "ws") + "/socket"
    async with (
        websockets.connect(url, additional_headers=route(sandbox), proxy=None) as echo,
        httpx.AsyncClient(headers=route(sandbox)) as client,
        client.stream("GET", f"{sandbox_server.url}/events/1000") as reply,
    ):
        sandbox.kill()
        with pytest.raises(websockets.ConnectionClosedError):
            await echo.recv()
        with pytest.raises(httpx.TransportError):
            await reply.aread()


@pytest.mark.parametrize(("address", "port"), [("::1", 8006), ("169.254.0.21", 8007), ("::", 8008)])
def test_one_address_is_enough(
    sandbox_server: SandboxServer, sandbox: Sandbox, address: str, port: int
) -> None:
    start_service(sandbox_server, sandbox, address, port)
    assert get(sandbox_server, sandbox, port=port).status_code == 200


def test_a_closed_port_is_told(sandbox_server: SandboxServer, sandbox: Sandbox) -> None:
    reply = get(sandbox_server, sandbox, port=8999)
    assert reply.status_code == 502
    assert reply.json() == {
        "sandboxId": sandbox.sandbox_id,
        "message": "The sandbox is running but port is not open",
        "port": 8999,
        "code": 502,
    }


def test_a_browser_gets_a_page(sandbox_server: SandboxServer, sandbox: Sandbox) -> None:
    page = get(sandbox_server, sandbox, port=8999, User_Agent=BROWSER)
    assert page.headers["content-type"].startswith("text/html")
    assert "port is not open" in page.text
    script = get(sandbox_server, sandbox, port=8999, User_Agent=BROWSER, Sec_Fetch_Mode="cors")
    assert script.headers["content-type"] == "application/json"


def test_ports_out_of_range_are_refused(sandbox_server: SandboxServer, sandbox: Sandbox) -> None:
    for port in (0, 65_536, 99_999_999):
        assert get(sandbox_server, sandbox, port=port).status_code == 400


def test_an_unknown_sandbox_is_not_found(sandbox_server: SandboxServer) -> None:
    headers = {"E2b-Sandbox-Id": "nothing", "E2b-Sandbox-Port": "8000"}
    reply = httpx.get(sandbox_server.url, headers=headers)
    assert reply.status_code == 502
    assert reply.json()["message"] == "The sandbox was not found"


def test_the_host_can_be_masked(sandbox_server: SandboxServer) -> None:
    network = {"mask_request_host": "shop.example.com:${PORT}"}
    with Sandbox.create(network=network, **sandbox_server.sdk) as sandbox:
        start_service(sandbox_server, sandbox)
        told = seen(get(sandbox_server, sandbox))["headers"]
        assert told["host"] == f"shop.example.com:{PORT}"
        assert told["x-forwarded-host"] == sandbox_server.url.removeprefix("http://")


@pytest.mark.parametrize(
    "network",
    [
        {"maskRequestHost": "a\r\nX-Evil: 1"},
        {"maskRequestHost": "caña.example"},
        {"maskRequestHost": "x" * 254},
        {"maskRequestHost": "${HOST}"},
        {"httpsPorts": [0]},
        {"httpsPorts": [65_536]},
        {"httpsPorts": [49_983]},
    ],
)
def test_hostile_masks_and_ports_are_refused(
    sandbox_server: SandboxServer, network: dict[str, Any]
) -> None:
    body = {"templateID": "base", "network": network}
    headers = {"X-API-KEY": sandbox_server.key}
    reply = httpx.post(f"{sandbox_server.url}/v2/sandboxes", json=body, headers=headers)
    assert reply.status_code == 400


def test_the_port_stands_anywhere_in_a_mask(sandbox_server: SandboxServer) -> None:
    network = {"mask_request_host": "${PORT}-shop.example.com"}
    with Sandbox.create(network=network, **sandbox_server.sdk) as sandbox:
        start_service(sandbox_server, sandbox)
        told = seen(get(sandbox_server, sandbox))["headers"]
        assert told["host"] == f"{PORT}-shop.example.com"


SECURED = """
import http.server, ssl, subprocess
make = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=own -keyout /tmp/k.pem -out /tmp/c.pem"
subprocess.run(make.split(), check=True, capture_output=True)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/tmp/c.pem", "/tmp/k.pem")
server = http.server.ThreadingHTTPServer(("", 8443), http.server.SimpleHTTPRequestHandler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def test_a_service_that_speaks_tls_itself_is_reached(sandbox_server: SandboxServer) -> None:
    network = {"https_ports": [8443, PORT]}
    with Sandbox.create(network=network, **sandbox_server.sdk) as sandbox:
        sandbox.files.write("/tmp/own/index.html", "within TLS" * 100_000)
        sandbox.files.write("/tmp/secured.py", SECURED)
        sandbox.commands.run("cd /tmp/own && python /tmp/secured.py", background=True)
        wait_until(lambda: get(sandbox_server, sandbox, port=8443).status_code == 200)
        assert get(sandbox_server, sandbox, port=8443).text == "within TLS" * 100_000
        info = sandbox.get_info().network
        assert info is not None
        assert info["https_ports"] == [PORT, 8443]
        start = f"python -m http.server {PORT}"  # which speaks no TLS
        sandbox.commands.run(start, background=True)
        wait_until(lambda: "TLS" in get(sandbox_server, sandbox).text)
        assert get(sandbox_server, sandbox).status_code == 502


async def test_a_preview_sleeps_and_wakes_with_its_sandbox(sandbox_server: SandboxServer) -> None:
    sandbox = Sandbox.create(**sandbox_server.sdk)
    await asyncio.to_thread(start_service, sandbox_server, sandbox)
    url = sandbox_server.url.replace("http", "ws") + "/socket"
    async with websockets.connect(url, additional_headers=route(sandbox), proxy=None) as echo:
        await asyncio.to_thread(sandbox.pause)
        paused = await asyncio.to_thread(get, sandbox_server, sandbox)
        assert (paused.status_code, paused.json()["message"]) == (502, "The sandbox was not found")
        await echo.send("still there?")
        await asyncio.to_thread(sandbox.connect)
        assert await echo.recv() == "still there?"
    assert (await asyncio.to_thread(get, sandbox_server, sandbox)).status_code == 200
    await asyncio.to_thread(sandbox.kill)


def test_fifty_at_once_and_nothing_is_left(sandbox_server: SandboxServer, sandbox: Sandbox) -> None:
    get(sandbox_server, sandbox)
    before = sandbox_server.open_fds()
    with ThreadPoolExecutor(50) as pool:
        asked = [pool.submit(get, sandbox_server, sandbox, f"/big/{MB}") for _ in range(50)]
        assert all(len(reply.result().content) == MB for reply in asked)
    wait_until(lambda: sandbox_server.open_fds() <= before)


def test_a_client_that_leaves_ends_the_services_reply(
    sandbox_server: SandboxServer, sandbox: Sandbox
) -> None:
    before = sandbox_server.open_fds()
    host, port = sandbox_server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        lines = [f"{name}: {value}" for name, value in route(sandbox).items()]
        head = "\r\n".join(["GET /events/600 HTTP/1.1", "Host: localhost", *lines, "", ""])
        client.sendall(head.encode())
        assert b"200 OK" in client.recv(1000)
    wait_until(lambda: sandbox_server.open_fds() <= before)
