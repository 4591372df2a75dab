"""Results as the client gives them, turned into the platform's MIME bundles and into files."""

import base64
import binascii
from typing import Any

from e2b_code_interpreter.models import Result

from capibara6.domain.executions import Artefact, ResultItem

_MIME_BY_FIELD = {
    "text": "text/plain",
    "html": "text/html",
    "markdown": "text/markdown",
    "svg": "image/svg+xml",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "pdf": "application/pdf",
    "latex": "text/latex",
    "json": "application/json",
    "javascript": "application/javascript",
    "data": "e2b/data",
}
_FIGURES = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/svg+xml": "svg",
    "application/pdf": "pdf",
}


def result_item(result: Result) -> ResultItem:
    """Turn the client's result into a MIME bundle."""
    fields = {mime: getattr(result, name) for name, mime in _MIME_BY_FIELD.items()}
    bundle = {mime: value for mime, value in fields.items() if value is not None}
    if result.chart is not None:
        bundle["e2b/chart"] = result.chart.to_dict()
    bundle.update(result.extra or {})
    return ResultItem(bundle, is_main_result=bool(result.is_main_result))


def size_bytes(item: ResultItem) -> int:
    """Return about how much memory the bundle takes."""
    return sum(len(value) if isinstance(value, str) else 0 for value in item.data.values())


def figures(items: tuple[ResultItem, ...]) -> list[Artefact]:
    """Return the displayed figures as files, numbered in the order in which they were shown."""
    found: list[Artefact] = []
    shown = [item for item in items if any(mime in item.data for mime in _FIGURES)]
    for number, item in enumerate(shown, start=1):
        for mime, suffix in _FIGURES.items():
            content = _content(mime, item.data.get(mime))
            if content:
                found.append(Artefact(f"figure-{number}.{suffix}", mime, content))
    return found


def _content(mime: str, value: Any) -> bytes:
    if not isinstance(value, str):
        return b""
    if mime == "image/svg+xml":
        return value.encode("utf-8", "replace")
    try:
        return base64.b64decode(value)
    except (binascii.Error, ValueError):
        return b""  # the program displayed something that only claims to be a figure
