"""What a web page can have a browser ask of the sandbox server."""

import httpx
import pytest
from starlette.responses import PlainTextResponse

from capibara6.api.access import LoopbackMiddleware
from capibara6_sandbox.gateway.hosts import Hosts
from capibara6_sandbox.gateway.pages import PageGuard

APP = "https://app.example"


async def ask(guarded, method="POST", path="/sandboxes", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    transport = httpx.ASGITransport(guarded)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:49982") as http:
        return await http.request(method, path, headers=headers)


def guard(*origins):
    return PageGuard(PlainTextResponse("served"), origins)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:8000"},
        {"origin": "http://3000-abc.localhost:49982"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": "http://localhost:49982", "sec_fetch_site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_pages_of_other_origins_change_nothing(headers, method):
    reply = await ask(guard(), method, **headers)
    assert reply.status_code == 403
    assert "--allow-origin" in reply.json()["message"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://localhost:49982"}, {"sec_fetch_site": "same-origin"}],
)
async def test_programs_and_own_pages_are_served(headers):
    assert (await ask(guard(), **headers)).text == "served"


async def test_what_is_read_carries_no_permission_for_pages():
    reply = await ask(guard(), "GET", origin="http://evil.example")
    assert "access-control-allow-origin" not in reply.headers


async def test_a_signed_upload_may_come_from_any_page():
    evil = {"origin": "http://evil.example"}
    assert (await ask(guard(), "POST", "/files?signature=v1_x", **evil)).text == "served"
    assert (await ask(guard(), "POST", "/sandboxes?signature=v1_x", **evil)).status_code == 403


@pytest.mark.parametrize("allowed", [APP, "*"])
async def test_pages_of_allowed_origins_are_served(allowed):
    asks = {"access_control_request_method": "POST", "access_control_request_headers": "x-api-key"}
    before = await ask(guard(allowed), "OPTIONS", origin=APP, **asks)
    assert (before.status_code, before.headers["access-control-allow-headers"]) == (
        204,
        "x-api-key",
    )
    reply = await ask(guard(allowed), origin=APP, sec_fetch_site="cross-site")
    assert (reply.text, reply.headers["access-control-allow-origin"]) == ("served", APP)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"sec_fetch_site": "same-origin"}, 200),
        ({"sec_fetch_site": "none", "sec_fetch_mode": "navigate"}, 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_platform_on_loopback_asks_where_a_request_is_from(headers, status, method):
    app = LoopbackMiddleware(PlainTextResponse("served"))
    assert (await ask(app, method, **headers)).status_code == status


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("POST", 403)])
async def test_a_link_leads_to_the_platform_and_a_form_does_not(method, status):
    app = LoopbackMiddleware(PlainTextResponse("served"))
    visit = {"sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    assert (await ask(app, method, sec_fetch_site="cross-site", **visit)).status_code == status


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1.nip.io",
        "",
        "evil.example:80@localhost",
        "localhost:80@evil.example",
        "0x7f000001",
        "2130706433",
    ],
)
def test_names_that_others_can_point_here_are_none_of_the_servers(host):
    assert not Hosts("e2b.localhost").knows(host)
