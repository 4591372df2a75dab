"""filesystem.Filesystem: looking at and changing a sandbox's directory tree."""

from datetime import UTC, datetime, timedelta
from typing import Any

from capibara6_sandbox.gateway.envd.connect_rpc import Endpoint, RpcCall, unary
from capibara6_sandbox.gateway.envd.errors import readable
from capibara6_sandbox.host.guest_client import GuestLostError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_MIN = int((datetime(1000, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
_SECONDS_MAX = int((datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH).total_seconds())

_TYPES = {
    "file": "FILE_TYPE_FILE",
    "directory": "FILE_TYPE_DIRECTORY",
    "symlink": "FILE_TYPE_SYMLINK",
}


def routes() -> dict[str, Endpoint]:
    """Return the service's methods by their paths."""
    methods = {
        "Stat": stat,
        "ListDir": list_directory,
        "MakeDir": make_directory,
        "Move": move,
        "Remove": remove,
    }
    return {f"/filesystem.Filesystem/{name}": unary(method) for name, method in methods.items()}


async def stat(call: RpcCall) -> dict[str, Any]:
    """Describe one entry."""
    return _entry_reply(await _request(call, "files.stat"))


async def list_directory(call: RpcCall) -> dict[str, Any]:
    """Describe what a directory holds, down to `depth` levels (0 means 1)."""
    result = await _request(call, "files.list", depth=call.message.number("depth") or 1)
    return {"entries": [entry_info(entry) for entry in result.get("entries", ())]}


async def make_directory(call: RpcCall) -> dict[str, Any]:
    """Make a directory and its missing parents."""
    return _entry_reply(await _request(call, "files.make_dir"))


async def move(call: RpcCall) -> dict[str, Any]:
    """Rename or move an entry."""
    result = await call.sandbox.guest.request(
        "files.move",
        user=call.user,
        source=call.message.text("source"),
        destination=call.message.text("destination"),
    )
    return _entry_reply(result)


async def remove(call: RpcCall) -> dict[str, Any]:
    """Remove an entry with all it holds; a missing one is fine."""
    return await _request(call, "files.remove")


def entry_info(entry: dict[str, Any]) -> dict[str, Any]:
    """Turn the agent's description into a filesystem.EntryInfo.

    Raises:
        GuestLostError: it is no description.
    """
    try:
        return _entry_info(entry)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise GuestLostError("the agent described an entry in no known form") from None


def _entry_info(entry: dict[str, Any]) -> dict[str, Any]:
    info = {
        "name": readable(str(entry["name"])),
        "type": _TYPES.get(str(entry["type"]), "FILE_TYPE_UNSPECIFIED"),
        "path": readable(str(entry["path"])),
        "size": str(int(entry["size"])),
        "mode": int(entry["mode"]),
        "permissions": str(entry["permissions"]),
        "owner": readable(str(entry["owner"])),
        "group": readable(str(entry["group"])),
        "modifiedTime": _timestamp(int(entry["modified_ns"])),
        "metadata": {str(key): str(value) for key, value in entry["metadata"].items()},
    }
    if entry.get("is_symlink"):
        info["isSymlink"] = True
        info["symlinkTarget"] = readable(str(entry["symlink_target"]))
    return info


def _entry_reply(result: dict[str, Any]) -> dict[str, Any]:
    return {"entry": entry_info(result.get("entry", {}))}


async def _request(call: RpcCall, operation: str, **arguments: Any) -> dict[str, Any]:
    path = call.message.text("path")
    return await call.sandbox.guest.request(operation, user=call.user, path=path, **arguments)


def _timestamp(time_ns: int) -> str:
    """Return RFC 3339; what protobuf's Timestamp cannot hold becomes the nearest it can."""
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    moment = _EPOCH + timedelta(seconds=max(_SECONDS_MIN, min(seconds, _SECONDS_MAX)))
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"
