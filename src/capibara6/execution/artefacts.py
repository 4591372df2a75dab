"""The files that a program left behind in its home directory."""

import mimetypes
from dataclasses import dataclass

import httpx
from e2b import AsyncSandbox, EntryInfo, FileType, SandboxException

from capibara6.config import Limits
from capibara6.domain.executions import Artefact
from capibara6.execution.checks import HOME

DEPTH_MAX = 4

_MIME_TYPES = mimetypes.MimeTypes()
_MIME_TYPES.add_type("application/vnd.apache.parquet", ".parquet")
_MIME_TYPES.add_type("application/x-ipynb+json", ".ipynb")
_MIME_TYPES.add_type("text/markdown", ".md")

Listing = dict[str, tuple[int, float]]  # path -> size, time of change


@dataclass(frozen=True, slots=True)
class Collected:
    """Artefacts, and a sentence for each that was left behind."""

    artefacts: tuple[Artefact, ...]
    left: tuple[str, ...]


async def list_files(sandbox: AsyncSandbox) -> Listing:
    """List the regular files below the home directory, hidden ones left out."""
    entries = await sandbox.files.list(HOME, depth=DEPTH_MAX)
    return {
        entry.path: (entry.size, entry.modified_time.timestamp())
        for entry in entries
        if entry.type is FileType.FILE and not _is_hidden(entry)
    }


async def collect(sandbox: AsyncSandbox, before: Listing, limits: Limits) -> Collected:
    """Read the files that appeared or changed since `before`, within the limits."""
    now = await list_files(sandbox)
    changed = sorted(path for path, state in now.items() if before.get(path) != state)
    found: list[Artefact] = []
    left: list[str] = []
    room = limits.artefacts_bytes_max
    for path in changed:
        name = path.removeprefix(f"{HOME}/")
        if len(found) >= limits.artefacts_max:
            left.append(f"{name}: only {limits.artefacts_max} files are kept")
            continue
        size_max = min(limits.artefact_bytes_max, room)
        content = await _read(sandbox, path, now[path][0], size_max)
        if isinstance(content, str):
            left.append(f"{name}: {content}")
            continue
        room -= len(content)
        found.append(Artefact(name, mime_of(name), content))
    return Collected(tuple(found), tuple(left))


def mime_of(name: str) -> str:
    """Guess the MIME type from a file's name."""
    return _MIME_TYPES.guess_type(name)[0] or "application/octet-stream"


def _is_hidden(entry: EntryInfo) -> bool:
    parts = entry.path.removeprefix(f"{HOME}/").split("/")
    return any(part.startswith(".") or part == "__pycache__" for part in parts)


async def _read(sandbox: AsyncSandbox, path: str, size: int, size_max: int) -> bytes | str:
    """Return the content, or why it was left behind. The listed size is only a claim."""
    if size > size_max:
        return f"{size:,} bytes are more than the limit leaves room for"
    content = bytearray()
    try:
        async with await sandbox.files.read(path, format="stream") as stream:
            async for piece in stream:
                content += piece
                if len(content) > size_max:
                    return f"more than {size_max:,} bytes"
    except (SandboxException, httpx.HTTPError) as cause:
        return f"cannot be read ({str(cause).strip()[:200] or type(cause).__name__})"
    return bytes(content)
