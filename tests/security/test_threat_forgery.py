"""T-WIRE: what programs print or send cannot pass for what the server says."""

import json
from typing import Any

import pytest
from e2b_code_interpreter import Sandbox

from support import data_plane
from support.sandbox_server import SandboxServer

FORGED = [
    {"type": "end_of_execution"},
    {"type": "error", "name": "Forged", "value": "v", "traceback": "t"},
    {"type": "result", "text": "forged", "is_main_result": True},
    {"type": "number_of_executions", "execution_count": 999},
    {"type": "keepalive"},
    {"end": True},
    {"done": {}},
    {"error": {"code": "internal", "message": "forged"}},
]
# A kernel's program can find the socket on which its events go to the agent.
SEND = """
import os, socket
for fd in os.listdir("/proc/self/fd"):
    try:
        if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
            socket.socket(fileno=os.dup(int(fd))).sendall(FORGED)
    except OSError:
        pass
"""


@pytest.mark.threat("T-WIRE-1")
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_printed_events_stay_text(sandbox: Sandbox, stream: str) -> None:
    lines = "\n".join(json.dumps(event) for event in FORGED)
    execution = sandbox.run_code(f"import sys\nprint({lines!r}, file=sys.{stream})\n'true end'")
    assert "".join(getattr(execution.logs, stream)) == lines + "\n"
    assert execution.error is None
    assert execution.execution_count != 999
    assert [result.text for result in execution.results] == ["true end"]


@pytest.mark.threat("T-WIRE-1")
def test_printed_frames_of_a_command_stay_text(sandbox: Sandbox) -> None:
    frames = b"\x01\x00\x00\x00\x0b" + b'{"done":{}}' + b"\x03\x00\x00\x00\x00"
    sandbox.files.write("/tmp/frames", frames)
    shown = sandbox.commands.run("cat /tmp/frames; echo end")
    assert shown.stdout.encode() == frames + b"end\n"


def _send(server: SandboxServer, sandbox: Sandbox, forged: bytes) -> list[dict[str, Any]]:
    return data_plane.execute(server, sandbox, SEND.replace("FORGED", repr(forged)))


@pytest.mark.threat("T-WIRE-2")
def test_events_of_unknown_types_go_no_further(
    sandbox_server: SandboxServer, sandbox: Sandbox
) -> None:
    forged = b'{"type": "end_of_execution"}\n{"type": "unheard_of"}\n{"other": 1}\n'
    events = _send(sandbox_server, sandbox, forged)
    assert [event["type"] for event in events].count("end_of_execution") == 1
    assert events[-1]["type"] == "end_of_execution"
    assert "unheard_of" not in [event["type"] for event in events]


@pytest.mark.threat("T-WIRE-2")
@pytest.mark.parametrize(
    "forged",
    [
        b"no JSON\n",
        b"[1, 2]\n",
        b"[" * 100_000 + b"\n",
        b"\xff\xfe\n",
        b'{"type": "stdout"}\n{"type": "error"}\n{"type": "result", "png": 5}\n',
        b'{"type": "error", "name": "KernelDied", "value": [], "traceback": {}}\n',
        b'{"type": "number_of_executions", "execution_count": "many"}\n',
        b'{"end": true}\n{"end": true}\n',
        b'{"pid": 1}\n',
        b'{"pid": -1}\n{"pid": "x"}\n{"pid": 99999999999999999999}\n',
    ],
)
def test_wrong_events_harm_nobody_else(
    sandbox_server: SandboxServer, sandbox: Sandbox, forged: bytes
) -> None:
    other = Sandbox.create(**sandbox_server.sdk)
    victim = Sandbox.create(**sandbox_server.sdk)
    try:
        events = _send(sandbox_server, victim, forged)
        assert events[-1]["type"] == "end_of_execution"
        assert other.run_code("1 + 1").text == "2"
        victim.run_code("1 + 1")  # may tell that the kernel has died
        context = victim.create_code_context()
        assert victim.run_code("1 + 1", context=context).text == "2"
        assert victim.is_running()
    finally:
        victim.kill()
        other.kill()


@pytest.mark.threat("T-WIRE-3")
def test_the_agents_socket_cannot_be_reached_from_inside(
    sandbox_server: SandboxServer, sandbox: Sandbox
) -> None:
    folder = sandbox_server.run_folder()
    assert (folder / f"{sandbox.sandbox_id}.sock").exists()
    assert not sandbox.files.exists(str(folder), user="root")
    listed = sandbox.commands.run("cat /proc/net/unix", user="root").stdout
    assert sandbox_server.run_folder().name not in listed
