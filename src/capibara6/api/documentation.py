"""The page about the API, for people: made here of its OpenAPI description, without the Internet.

FastAPI's own pages load scripts from elsewhere, which a machine without the Internet cannot, and
one with a key should not.
"""

import json
import re
from collections.abc import Iterator
from html import escape
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter()

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font-family: ui-monospace, monospace; font-size: 14px }
pre { background: #8881; padding: .7rem; overflow: auto; max-height: 30rem }
h2 { border-top: 1px solid #8884; padding-top: 1rem; font-size: 1.1rem }
table { border-collapse: collapse } td, th { text-align: left; padding: .1rem 1rem .1rem 0 }
:root { color-scheme: light dark }
"""


@router.get("/docs", include_in_schema=False)
def docs(request: Request) -> HTMLResponse:
    """Describe every call."""
    return HTMLResponse(page(request.app.openapi()), headers=_HEADERS)


def page(described: dict[str, Any]) -> str:
    """Return the page of an OpenAPI description."""
    about = described["info"]
    calls = [
        _call(method, path, operation)
        for path, item in described["paths"].items()
        for method, operation in item.items()
        if method in _METHODS
    ]
    schemas = described.get("components", {}).get("schemas", {})
    shown = [
        f'<h2 id="{escape(name)}">{escape(name)}</h2>{_json(schema)}'
        for name, schema in sorted(schemas.items())
    ]
    title = f"{escape(about['title'])} {escape(about['version'])}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title}</h1><p>{escape(about.get('summary', ''))}</p>"
        '<p>For programs: <a href="openapi.json">openapi.json</a></p>'
        f"{''.join(calls)}<h1>Bodies</h1>{''.join(shown)}</html>"
    )


def _call(method: str, path: str, operation: dict[str, Any]) -> str:
    summary = escape(operation.get("summary", ""))
    text = _prose(operation.get("description", ""))
    return (
        f"<h2><code>{method.upper()} {escape(path)}</code></h2><p><b>{summary}</b></p><p>{text}</p>"
        + "".join(_parts(operation))
    )


def _prose(text: str) -> str:
    """Return escaped text with its paragraphs, and with what stands between backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text)).replace("\n\n", "<p>")


def _parts(operation: dict[str, Any]) -> Iterator[str]:
    if parameters := operation.get("parameters"):
        rows = "".join(
            f"<tr><td><code>{escape(one['name'])}</code><td>{escape(one['in'])}"
            f"<td>{'required' if one.get('required') else ''}"
            f"<td><code>{escape(json.dumps(one.get('schema', {})))}</code>"
            for one in parameters
        )
        yield f"<table>{rows}</table>"
    if body := operation.get("requestBody"):
        yield f"<p>Body: {_content(body)}"
    for status, reply in operation.get("responses", {}).items():
        told = f"{escape(status)} {escape(reply.get('description', ''))}"
        yield f"<p><code>{told}</code> {_content(reply)}"


def _content(part: dict[str, Any]) -> str:
    """Name what a body or reply holds, with a link to its description."""
    return " ".join(
        f"<code>{escape(kind)}</code> {_named(content.get('schema', {}))}"
        for kind, content in part.get("content", {}).items()
    )


def _named(schema: dict[str, Any]) -> str:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    if name:
        return f'<a href="#{escape(name)}">{escape(name)}</a>'
    return f"<code>{escape(json.dumps(schema))}</code>" if schema else ""


def _json(value: object) -> str:
    return f"<pre>{escape(json.dumps(value, indent=1, ensure_ascii=False))}</pre>"
