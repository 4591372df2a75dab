"""filesystem.Filesystem: looking at and changing a sandbox's directory tree."""

from typing import Any

from capibara6_sandbox.gateway.envd.connect_rpc import Endpoint, RpcCall, unary
from capibara6_sandbox.gateway.envd.entry_info import entry_info


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


def _entry_reply(result: dict[str, Any]) -> dict[str, Any]:
    return {"entry": entry_info(result.get("entry", {}))}


async def _request(call: RpcCall, operation: str, **arguments: Any) -> dict[str, Any]:
    path = call.message.text("path")
    return await call.sandbox.guest.request(operation, user=call.user, path=path, **arguments)
