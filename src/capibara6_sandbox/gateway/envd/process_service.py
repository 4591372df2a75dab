"""process.Process: programs in a sandbox."""

import base64
import binascii
from collections.abc import AsyncIterator
from typing import Any

from capibara6_guest.wire import CallError
from capibara6_sandbox.gateway.envd.connect_rpc import (
    Endpoint,
    RpcCall,
    client_stream,
    server_stream,
    unary,
)
from capibara6_sandbox.gateway.envd.messages import Message
from capibara6_sandbox.host.guest_client import GuestLostError
from capibara6_sandbox.host.limit_watch import LimitWatch

_SIGNALS = {"9": "SIGNAL_SIGKILL", "15": "SIGNAL_SIGTERM"}
_STREAMS = ("stdout", "stderr", "pty")
_KEEPALIVE: dict[str, Any] = {"event": {"keepalive": {}}}


def routes() -> dict[str, Endpoint]:
    """Return the service's methods by their paths."""
    methods = {
        "Start": server_stream(start, _KEEPALIVE),
        "Connect": server_stream(connect, _KEEPALIVE),
        "List": unary(list_processes),
        "SendInput": unary(send_input),
        "StreamInput": client_stream(stream_input),
        "Update": unary(update),
        "CloseStdin": unary(close_stdin),
        "SendSignal": unary(send_signal),
    }
    return {f"/process.Process/{name}": endpoint for name, endpoint in methods.items()}


async def start(call: RpcCall) -> AsyncIterator[dict[str, Any]]:
    """Start a program and follow it. The call's deadline is the program's."""
    process = call.message.message("process")
    arguments = {
        "user": call.user,
        "cmd": process.text("cmd"),
        "args": process.texts("args"),
        "envs": process.mapping("envs"),
        "env": call.sandbox.variables,
        "cwd": process.optional_text("cwd") or call.sandbox.default_workdir or None,
        "tag": call.message.optional_text("tag"),
        "stdin": call.message.flag("stdin", default=True),
        "pty": _terminal_size(call.message),
        "timeout_s": call.timeout_s,
    }
    async for event in _follow(call, "process.start", arguments):
        yield event


async def connect(call: RpcCall) -> AsyncIterator[dict[str, Any]]:
    """Follow a program that was started before. The deadline is only the call's."""
    arguments = _selected(call.message) | {"timeout_s": call.timeout_s}
    async for event in _follow(call, "process.connect", arguments):
        yield event


async def list_processes(call: RpcCall) -> dict[str, Any]:
    """List the programs that run."""
    result = await call.sandbox.guest.request("process.list")
    return {"processes": [_process_info(process) for process in result.get("processes", ())]}


async def send_input(call: RpcCall) -> dict[str, Any]:
    """Feed a program."""
    return await _input(call, _selected(call.message), call.message.message("input"))


async def stream_input(call: RpcCall, messages: AsyncIterator[Message]) -> dict[str, Any]:
    """Feed the program that the first message names with all that the others hold, in order."""
    selected: dict[str, Any] | None = None
    async for message in messages:
        if message.has("start"):
            selected = _selected(message.message("start"))
            await _input(call, selected, Message({}))
        elif message.has("data"):
            if selected is None:
                raise CallError("invalid_argument", "input before the message that says for whom")
            await _input(call, selected, message.message("data").message("input"))
    return {}


async def update(call: RpcCall) -> dict[str, Any]:
    """Change the size of a program's terminal."""
    arguments = _selected(call.message) | {"pty": _terminal_size(call.message)}
    return await call.sandbox.guest.request("process.update", **arguments)


async def close_stdin(call: RpcCall) -> dict[str, Any]:
    """End a program's input."""
    return await call.sandbox.guest.request("process.close_stdin", **_selected(call.message))


async def send_signal(call: RpcCall) -> dict[str, Any]:
    """Send SIGTERM or SIGKILL; a signal may come by its name or its number."""
    try:
        name = call.message.text("signal")
    except CallError:
        name = str(call.message.number("signal"))
    arguments = _selected(call.message) | {"signal": _SIGNALS.get(name, name)}
    return await call.sandbox.guest.request("process.signal", **arguments)


async def _follow(
    call: RpcCall, operation: str, arguments: dict[str, Any]
) -> AsyncIterator[dict[str, Any]]:
    watch, said, stream = LimitWatch(call.sandbox.machine), "", "stderr"
    async with call.sandbox.guest.call(operation, **arguments) as guest_call:
        async for event in guest_call.events():
            told = _event(event)
            for name, data in told.get("data", {}).items():
                if name != "stdout":
                    stream, said = name, data
            yield {"event": told}
        end = _end(guest_call.result or {})
        for sentence in watch.met(_text(said) if end["exitCode"] else ""):
            yield {"event": {"data": {stream: _base64(f"{sentence}\n")}}}
        yield {"event": {"end": end}}


def _text(data: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        raise GuestLostError("the agent sent output that is no base64") from None


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _event(event: dict[str, Any] | bytes) -> dict[str, Any]:
    if isinstance(event, dict):
        if isinstance(event.get("pid"), int):
            return {"start": {"pid": event["pid"]}}
        for stream in _STREAMS:
            if isinstance(event.get(stream), str):
                return {"data": {stream: event[stream]}}
    raise GuestLostError("the agent sent an event that no program has")


def _end(result: dict[str, Any]) -> dict[str, Any]:
    try:
        end = {
            "exitCode": int(result["exit_code"]),
            "exited": bool(result["exited"]),
            "status": str(result["status"]),
        }
    except (KeyError, OverflowError, TypeError, ValueError):
        raise GuestLostError("the agent did not say how the program ended") from None
    if result.get("error") is not None:
        end["error"] = str(result["error"])
    return end


def _process_info(process: dict[str, Any]) -> dict[str, Any]:
    try:
        return _known_process_info(process)
    except (KeyError, TypeError):
        raise GuestLostError("the agent listed a process in no known form") from None


def _known_process_info(process: dict[str, Any]) -> dict[str, Any]:
    config = {"cmd": process["cmd"], "args": process["args"], "envs": process["envs"]}
    if process.get("cwd") is not None:
        config["cwd"] = process["cwd"]
    info = {"config": config, "pid": process["pid"]}
    return info if process.get("tag") is None else info | {"tag": process["tag"]}


def _selected(message: Message) -> dict[str, Any]:
    process = message.message("process")
    if process.has("pid"):
        return {"pid": process.number("pid")}
    if process.has("tag"):
        return {"tag": process.text("tag")}
    raise CallError("invalid_argument", "the call names no process, neither by pid nor by tag")


def _terminal_size(message: Message) -> dict[str, int] | None:
    if not message.has("pty"):
        return None
    size = message.message("pty").message("size")
    return {"rows": size.number("rows"), "cols": size.number("cols")}


async def _input(call: RpcCall, selected: dict[str, Any], content: Message) -> dict[str, Any]:
    data = {kind: content.base64(kind) for kind in ("stdin", "pty") if content.has(kind)}
    return await call.sandbox.guest.request("process.input", **selected, **data)
