"""The page about the API: whole, and of this machine alone."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from fastapi import FastAPI

from capibara6.api.application import application
from capibara6.api.documentation import page
from capibara6.config import load_settings


@asynccontextmanager
async def nothing(app: FastAPI) -> AsyncIterator[None]:
    yield


async def test_the_page_names_every_call_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    app = application(load_settings(dotenv=tmp_path / "no.env"), nothing)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        reply = await client.get("/docs")
        assert (await client.get("/redoc")).status_code == 404
        assert (await client.get("/openapi.json")).status_code == 200
    assert reply.status_code == 200
    for path, item in app.openapi()["paths"].items():
        for method in item:
            assert f"<code>{method.upper()} {path}</code>" in reply.text
    assert not re.search(r"<script|https?://|(src|srcset)=", reply.text)
    links = set(re.findall(r'href="([^"]*)"', reply.text))
    assert {link for link in links if not link.startswith("#")} == {"openapi.json"}
    assert {link[1:] for link in links if link.startswith("#")} <= set(
        re.findall(r'id="([^"]*)"', reply.text)
    )
    assert "default-src 'none'" in reply.headers["content-security-policy"]


def test_errors_are_described_as_they_are(tmp_path: Path) -> None:
    app = application(load_settings(dotenv=tmp_path / "no.env"), nothing)
    described = app.openapi()
    assert "HTTPValidationError" not in described["components"]["schemas"]
    for item in described["paths"].values():
        for operation in item.values():
            for status in ("4XX", "5XX"):
                schema = operation["responses"][status]["content"]["application/json"]["schema"]
                assert schema["$ref"].endswith("/ErrorReply")


def test_what_stands_between_backticks_is_code() -> None:
    operation = {"description": "`a < b` holds.\n\nElse `c`."}
    described = {"info": {"title": "", "version": ""}, "paths": {"/": {"get": operation}}}
    assert "<code>a &lt; b</code> holds.<p>Else <code>c</code>." in page(described)


def test_a_description_is_text_and_no_markup() -> None:
    described = {
        "info": {"title": "<t>", "version": "1"},
        "paths": {"/<p>": {"get": {"summary": "<b>", "parameters": [{"name": "<n>", "in": "q"}]}}},
    }
    shown = page(described)
    for text in ("<t>", "/<p>", "<n>"):
        assert text not in shown
    assert "<b>&lt;b&gt;</b>" in shown
