"""The methods of filesystem.Filesystem that watch a directory."""

from collections.abc import AsyncIterator
from typing import Any

from capibara6_sandbox.gateway.envd.connect_rpc import Endpoint, RpcCall, server_stream, unary
from capibara6_sandbox.gateway.envd.entry_info import entry_info
from capibara6_sandbox.gateway.envd.errors import readable
from capibara6_sandbox.host.guest_client import GuestLostError

_TYPES = {
    "create": "EVENT_TYPE_CREATE",
    "write": "EVENT_TYPE_WRITE",
    "remove": "EVENT_TYPE_REMOVE",
    "rename": "EVENT_TYPE_RENAME",
    "chmod": "EVENT_TYPE_CHMOD",
}


def routes() -> dict[str, Endpoint]:
    """Return the methods by their paths."""
    methods = {
        "WatchDir": server_stream(watch, {"keepalive": {}}),
        "CreateWatcher": unary(create_watcher),
        "GetWatcherEvents": unary(get_watcher_events),
        "RemoveWatcher": unary(remove_watcher),
    }
    return {f"/filesystem.Filesystem/{name}": endpoint for name, endpoint in methods.items()}


async def watch(call: RpcCall) -> AsyncIterator[dict[str, Any]]:
    """Follow a directory until the client leaves."""
    async with call.sandbox.guest.call("files.watch", **_arguments(call)) as guest_call:
        async for event in guest_call.events():
            if isinstance(event, dict) and event.get("watching"):
                yield {"start": {}}
            else:
                yield {"filesystem": _event(event)}


async def create_watcher(call: RpcCall) -> dict[str, Any]:
    """Begin to collect a directory's events."""
    result = await call.sandbox.guest.request("files.create_watcher", **_arguments(call))
    return {"watcherId": str(result.get("watcher_id"))}


async def get_watcher_events(call: RpcCall) -> dict[str, Any]:
    """Return the events that were collected since the last time."""
    result = await call.sandbox.guest.request("files.watcher_events", **_watcher(call))
    events = result.get("events", [])
    if not isinstance(events, list):
        raise GuestLostError("the agent reported events in no known form")
    return {"events": [_event(event) for event in events]}


async def remove_watcher(call: RpcCall) -> dict[str, Any]:
    """Stop collecting."""
    return await call.sandbox.guest.request("files.remove_watcher", **_watcher(call))


def _arguments(call: RpcCall) -> dict[str, Any]:
    return {
        "user": call.user,
        "path": call.message.text("path"),
        "recursive": call.message.flag("recursive"),
        "include_entry": call.message.flag("include_entry"),
    }


def _watcher(call: RpcCall) -> dict[str, Any]:
    return {"watcher_id": call.message.text("watcher_id")}


def _event(event: Any) -> dict[str, Any]:
    if not isinstance(event, dict) or str(event.get("type")) not in _TYPES:
        raise GuestLostError("the agent reported an event in no known form")
    known = {"name": readable(str(event.get("name"))), "type": _TYPES[str(event["type"])]}
    return known if "entry" not in event else known | {"entry": entry_info(event["entry"])}
