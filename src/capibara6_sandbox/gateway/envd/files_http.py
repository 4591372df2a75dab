"""GET and POST /files: the contents of files."""

from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from capibara6_guest.wire import CallError
from capibara6_sandbox.gateway.envd.downloads import Download, parse_range
from capibara6_sandbox.gateway.envd.entry_info import entry_info
from capibara6_sandbox.gateway.envd.errors import (
    files_error_response,
    readable,
    sandbox_lost_response,
)
from capibara6_sandbox.gateway.envd.metadata import metadata_from
from capibara6_sandbox.gateway.envd.request_bodies import (
    PartEnd,
    PartStart,
    form_parts,
    gunzipped,
)
from capibara6_sandbox.gateway.envd.sandbox import sandbox_of
from capibara6_sandbox.gateway.envd.uploads import uploading
from capibara6_sandbox.host.guest_client import GuestLostError


async def download(request: Request) -> ASGIApp:
    """Send a file: query path, username; headers Range, Accept-Encoding."""
    byte_range = parse_range(request.headers.get("Range"))
    # Compressed only for who asks for gzip alone, as E2B's clients do when told to: what HTTP
    # libraries list by themselves is not worth the processor time on a local connection.
    gzip = request.headers.get("Accept-Encoding", "").strip().lower() == "gzip"
    path = request.query_params.get("path", "")
    user = _user(request)
    return Download(sandbox_of(request), user, path, byte_range, gzip=gzip and byte_range is None)


async def upload(request: Request) -> Response:
    """Take one file (octet-stream, or a form with a path) or several (a form), and list them."""
    try:
        entries = await _take(request)
    except CallError as failure:
        return files_error_response(failure)
    except GuestLostError:
        return sandbox_lost_response(sandbox_of(request).id)
    except ClientDisconnect:
        return Response(status_code=499)
    return JSONResponse([_write_info(entry) for entry in entries])


async def _take(request: Request) -> list[dict[str, Any]]:
    content_type = request.headers.get("Content-Type", "")
    kind = content_type.partition(";")[0].strip().lower()
    metadata = metadata_from(request.headers)
    if kind == "application/octet-stream":
        return [await _take_body(request, metadata)]
    if kind.startswith("multipart/"):
        return await _take_form(request, content_type, metadata)
    raise CallError("invalid_argument", _unsupported(content_type))


async def _take_body(request: Request, metadata: dict[str, str]) -> dict[str, Any]:
    path = request.query_params.get("path")
    if path is None:
        message = "path query parameter is required for raw body upload"
        raise CallError("invalid_argument", message)
    async with uploading(sandbox_of(request), _user(request), path, metadata) as file:
        async for piece in _body(request):
            if file.refused:
                break
            await file.feed(piece)
        return await file.finish()


async def _take_form(
    request: Request, content_type: str, metadata: dict[str, str]
) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    paths: set[str] = set()
    events = form_parts(content_type, _body(request))
    async for event in events:
        if not isinstance(event, PartStart) or event.name != "file":
            continue
        path = request.query_params.get("path", event.filename)
        if path is None:
            raise CallError("invalid_argument", "a part named file has no file name")
        if path in paths:
            raise CallError("invalid_argument", _same_path(path))
        paths.add(path)
        async with uploading(sandbox_of(request), _user(request), path, metadata) as file:
            async for piece in events:
                if isinstance(piece, PartEnd) or file.refused:
                    break
                if isinstance(piece, bytes):
                    await file.feed(piece)
            entries.append(await file.finish())
    return entries


def _body(request: Request) -> AsyncIterator[bytes]:
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "gzip":
        return gunzipped(request.stream())
    if encoding != "identity":
        message = f"unsupported Content-Encoding: {encoding}, supported: [gzip]"
        raise CallError("invalid_argument", message)
    return request.stream()


def _user(request: Request) -> str:
    return request.query_params.get("username") or sandbox_of(request).default_user


def _write_info(entry: dict[str, Any]) -> dict[str, Any]:
    info = entry_info(entry)
    written = {"path": info["path"], "name": info["name"], "type": "file"}
    return written | {"metadata": info["metadata"]} if info["metadata"] else written


def _unsupported(content_type: str) -> str:
    return (
        f"unsupported content type: {readable(content_type)}, "
        "expected multipart/form-data or application/octet-stream"
    )


def _same_path(path: str) -> str:
    return (
        f"you cannot upload multiple files to the same path '{path}' in one upload request, "
        "only the first specified file was uploaded"
    )
