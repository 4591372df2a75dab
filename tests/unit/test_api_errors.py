"""The one error shape and the one status table, without sockets."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from capibara6 import errors
from capibara6.api.access import KeyMiddleware, LoopbackMiddleware
from capibara6.api.body_limit import BodyLimitMiddleware
from capibara6.api.event_stream import EventStream
from capibara6.api.faults import add_handlers
from capibara6.api.following import follow
from capibara6.api.status import STATUS, status_of_code
from capibara6.cli import exit_codes
from capibara6.config import load_settings
from capibara6.domain.events import RunFinished
from capibara6.main import create_app

KEY = "k" * 20


def tree(root=errors.CapibaraError):
    return [root, *(kind for child in root.__subclasses__() for kind in tree(child))]


@pytest.mark.parametrize("kind", tree())
def test_every_error_has_a_status_and_an_exit_status(kind):
    assert 400 <= STATUS[kind] < 600
    assert exit_codes.of_error(kind) in {2, 3, 4}


def test_codes_are_unique_so_that_the_table_reads_both_ways():
    codes = [kind.code for kind in tree()]

    assert len(set(codes)) == len(codes)
    assert status_of_code("not_found") == 404
    assert status_of_code("program_failed") == 200


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("", 0),
        ("program_failed", 1),
        ("data_file", 2),
        ("model_busy", 3),
        ("provider_unreachable", 3),
        ("internal", 4),
        ("cancelled", 130),
        ("never heard of", 4),
    ],
)
def test_exit_statuses_of_runs(code, status):
    assert exit_codes.of_run(code) == status


def app_that_fails():
    app = FastAPI()
    add_handlers(app)

    @app.get("/template")
    async def template():
        raise errors.UnknownTemplateError("nope", ["default"])

    @app.get("/fault")
    async def fault():
        raise ZeroDivisionError("secret detail")

    @app.get("/typed")
    async def typed(number: int):
        return number

    @app.post("/echo")
    async def echo(body: dict[str, str]):
        return len(body)

    return app


def client(app, **more):
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8100", **more)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/template", 400, "unknown_template"),
        ("GET", "/fault", 500, "internal"),
        ("GET", "/typed?number=x", 422, "invalid_request"),
        ("GET", "/nowhere", 404, "not_found"),
        ("DELETE", "/typed", 405, "method_not_allowed"),
        ("POST", "/echo", 422, "invalid_request"),
    ],
)
async def test_every_error_has_the_one_shape(method, path, status, code):
    async with client(app_that_fails()) as http:
        reply = await http.request(method, path)

    assert reply.status_code == status
    assert set(reply.json()) == {"error"}
    assert reply.json()["error"]["code"] == code
    assert reply.json()["error"]["message"]
    assert "secret detail" not in reply.text


async def test_a_wrong_field_is_named_and_its_value_is_not_repeated():
    async with client(app_that_fails()) as http:
        reply = await http.get("/typed?number=hunter2")

    assert "query.number" in reply.json()["error"]["message"]
    assert "hunter2" not in reply.text


@pytest.mark.parametrize("headers", [{}, {"X-API-KEY": "wrong"}, {"X-API-KEY": KEY[:-1]}])
async def test_without_a_right_key_nothing_is_answered(headers):
    app = KeyMiddleware(app_that_fails(), ["other" * 5, KEY])
    async with client(app, headers=headers) as http:
        reply = await http.get("/nowhere")

    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "access")


async def test_each_configured_key_opens():
    app = KeyMiddleware(app_that_fails(), ["other" * 5, KEY])
    async with client(app, headers={"X-API-KEY": KEY}) as http:
        assert (await http.get("/nowhere")).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8100"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": ""},
        {"Host": "[::1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
    ],
)
async def test_other_names_and_other_sites_pages_are_refused_on_loopback(headers):
    async with client(LoopbackMiddleware(app_that_fails()), headers=headers) as http:
        reply = await http.get("/nowhere")

    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "foreign_host")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "localhost:8100"},
        {"Host": "[::1]:8100"},
        {"Origin": "http://127.0.0.1:8100"},
    ],
)
async def test_this_machine_may_ask_on_loopback(headers):
    async with client(LoopbackMiddleware(app_that_fails()), headers=headers) as http:
        assert (await http.get("/nowhere")).status_code == 404


async def counted_body(read):
    for _ in range(200):
        read.append(1)
        yield b"x"


async def test_an_announced_body_beyond_the_limit_is_not_even_read():
    app = BodyLimitMiddleware(app_that_fails(), 100)
    read = []

    async with client(app) as http:
        reply = await http.post(
            "/echo", content=counted_body(read), headers={"Content-Length": "200"}
        )

    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "too_large")
    assert read == []


async def test_an_unannounced_body_is_refused_when_it_passes_the_limit():
    app = BodyLimitMiddleware(app_that_fails(), 100)
    read = []

    async with client(app) as http:
        reply = await http.post(
            "/echo", content=counted_body(read), headers={"Content-Type": "application/json"}
        )

    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "too_large")
    assert len(read) <= 102


async def never():
    await asyncio.Event().wait()


@pytest.mark.parametrize(("keys", "status"), [("", 404), (KEY, 401)])
async def test_the_application_asks_for_keys_where_they_are_configured(
    tmp_path, monkeypatch, keys, status
):
    monkeypatch.setenv("CAPIBARA6_HOME", str(tmp_path))
    monkeypatch.setenv("CAPIBARA6_API_KEYS", keys)
    monkeypatch.delenv("CAPIBARA6_CONFIG", raising=False)
    app = create_app(load_settings(dotenv=tmp_path / "no.env"))

    async with client(app) as http:
        assert (await http.get("/api/nowhere")).status_code == status
        assert (await http.get("/docs")).status_code == (401 if keys else 200)


async def test_a_silent_stream_is_kept_alive_by_comments():
    sent = []
    kept_alive = asyncio.Event()

    async def one_event_at_last():
        await kept_alive.wait()
        yield RunFinished("1" * 32, True, "42", 1, 0.5)

    async def send(message):
        sent.append(message)
        if message.get("body", b"").startswith(b":"):
            kept_alive.set()

    await EventStream(one_event_at_last(), "1" * 32, keepalive_s=0.01)({}, never, send)

    assert sent[0]["status"] == 200
    assert (b"content-type", b"text/event-stream; charset=utf-8") in sent[0]["headers"]
    assert sent[1]["body"] == b": keepalive\n\n"
    frame = sent[-2]["body"].decode()
    assert frame.startswith("id: 1\nevent: run_finished\ndata: {")
    assert frame.endswith("}\n\n")
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_a_run_whose_client_goes_is_closed():
    closed = asyncio.Event()
    gone = asyncio.Event()

    async def endless():
        try:
            yield "event"
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def receive():
        await gone.wait()
        return {"type": "http.disconnect"}

    seen = []
    async for event in follow(endless(), receive, silence_s=0.01):
        seen.append(event)
        if event is None:  # a silence: the first event came before it
            gone.set()

    assert seen[:2] == ["event", None]
    assert closed.is_set()
