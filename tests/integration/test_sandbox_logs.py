"""A sandbox's log: what happened to it and in it, for its owner."""

from typing import Any

import httpx
from e2b_code_interpreter import Sandbox

from support.sandbox_server import SandboxServer, wait_until


def log(server: SandboxServer, sandbox_id: str, query: str = "direction=forward") -> list[Any]:
    reply = httpx.get(
        f"{server.url}/v2/sandboxes/{sandbox_id}/logs?{query}", headers={"X-API-KEY": server.key}
    )
    assert reply.status_code == 200, reply.text
    found: list[Any] = reply.json()["logs"]
    return found


def messages(entries: list[Any]) -> list[str]:
    return [entry["message"] for entry in entries]


def test_a_life_is_told_from_its_begin_beyond_its_end(sandbox_server: SandboxServer) -> None:
    sandbox = Sandbox.create("base", timeout=120, **sandbox_server.sdk)
    pid = sandbox.commands.run("echo four; exit 0").exit_code
    assert pid == 0
    sandbox.pause()
    sandbox.connect()
    sandbox.create_snapshot()
    sandbox.commands.run("sleep 100", background=True)
    sandbox.kill()
    wait_until(lambda: "Sandbox stopped" in messages(log(sandbox_server, sandbox.sandbox_id)))
    entries = log(sandbox_server, sandbox.sandbox_id)
    told = [message for message in messages(entries) if not message.startswith("Process")]
    assert told == [
        "Sandbox created",
        "Pausing sandbox",
        "Sandbox paused",
        "Sandbox resumed",
        "Checkpointing sandbox",
        "Killing sandbox",
        "Sandbox stopped",
    ]
    first, end, last = (e["fields"] for e in entries if e["message"].startswith("Process"))
    assert first["event_type"] == "process_start"
    assert "echo four; exit 0" in first["command"]
    assert (end["event_type"], end["exit_code"], end["stdout_bytes"]) == ("process_end", "0", "5")
    assert "sleep 100" in last["command"]


def test_a_paused_sandbox_tells_what_ran_before(sandbox_server: SandboxServer) -> None:
    sandbox = Sandbox.create("base", timeout=120, **sandbox_server.sdk)
    try:
        sandbox.commands.run("true")
        sandbox.pause()
        assert any("ended" in message for message in messages(log_of(sandbox_server, sandbox)))
    finally:
        sandbox.kill()


def log_of(server: SandboxServer, sandbox: Sandbox) -> list[Any]:
    return log(server, sandbox.sandbox_id)


def test_each_program_is_told_once_and_all_of_many(sandbox_server: SandboxServer) -> None:
    sandbox = Sandbox.create("base", timeout=120, **sandbox_server.sdk)
    try:
        for _ in range(140):
            sandbox.commands.run("true")
        log_of(sandbox_server, sandbox)
        entries = log_of(sandbox_server, sandbox)
        assert sum("started" in message for message in messages(entries)) == 140
    finally:
        sandbox.kill()


def test_an_unknown_sandbox_has_an_empty_log(sandbox_server: SandboxServer) -> None:
    assert log(sandbox_server, "nosuchsandbox") == []


def test_the_first_generation_has_lines_of_json(sandbox_server: SandboxServer) -> None:
    sandbox = Sandbox.create("base", timeout=120, **sandbox_server.sdk)
    try:
        reply = httpx.get(
            f"{sandbox_server.url}/sandboxes/{sandbox.sandbox_id}/logs",
            headers={"X-API-KEY": sandbox_server.key},
        ).json()
        assert '"message": "Sandbox created"' in reply["logs"][0]["line"]
        assert reply["logEntries"][0]["level"] == "info"
    finally:
        sandbox.kill()
