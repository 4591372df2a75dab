"""envd's protocol as HTTP: access, framing, deadlines, signs of life, lost sandboxes."""

import base64
import contextlib
import json
import os
import struct

import httpx
import pytest

from support.envd_server import USER, running_envd

STREAM = {"Content-Type": "application/connect+json"}


@pytest.fixture
def envd(tmp_path):
    with running_envd(tmp_path / "socket") as server:
        yield server


@pytest.fixture
def http(envd):
    with httpx.Client(base_url=envd.url, headers=envd.headers, timeout=30) as client:
        yield client


def enveloped(message, flags=0):
    payload = json.dumps(message).encode()
    return struct.pack(">BI", flags, len(payload)) + payload


def opened(content):
    """Split a body into (flags, message)."""
    found = []
    while content:
        flags, length = struct.unpack_from(">BI", content)
        found.append((flags, json.loads(content[5 : 5 + length])))
        content = content[5 + length :]
    return found


def bash(script, **fields):
    process = {"cmd": "/bin/bash", "args": ["-c", script]}
    return enveloped({"process": process, "stdin": False, **fields})


def start(http, script, headers=None, **fields):
    return http.post(
        "/process.Process/Start", content=bash(script, **fields), headers=STREAM | (headers or {})
    )


@contextlib.contextmanager
def deaf_program(http):
    """Run a program that reads nothing; give a message with more input than it can be sent."""
    with http.stream(
        "POST",
        "/process.Process/Start",
        content=enveloped({"process": {"cmd": "sleep", "args": ["60"]}, "tag": "deaf"}),
        headers=STREAM,
    ) as stream:
        next(stream.iter_raw())
        data = base64.b64encode(bytes(1_000_000)).decode()
        yield {"process": {"tag": "deaf"}, "input": {"stdin": data}}


def test_only_health_needs_no_token(envd):
    with httpx.Client(base_url=envd.url) as client:
        assert client.get("/health").status_code == 204
        for path in ("/metrics", "/envs", "/files?path=x"):
            reply = client.get(path)
            assert (reply.status_code, reply.json()["code"]) == (401, 401)
        wrong = {"X-Access-Token": "wrong-ñ".encode()}
        assert client.post("/process.Process/List", json={}, headers=wrong).status_code == 401
        assert client.get("/files?path=x", headers=wrong).status_code == 401


def test_the_small_routes_answer(http):
    assert http.get("/envs").json() == {"SHARED": "by all"}
    metrics = http.get("/metrics").json()
    assert metrics["mem_total"] > metrics["mem_used"] > 0
    assert metrics["disk_total"] > 0


def test_a_stream_starts_with_the_pid_and_ends_with_an_end(http):
    reply = start(http, "printf out")
    assert reply.headers["content-type"] == "application/connect+json"
    (_, first), (_, second), (_, third), last = opened(reply.content)
    assert first["event"]["start"]["pid"] > 1
    assert second == {"event": {"data": {"stdout": base64.b64encode(b"out").decode()}}}
    assert third == {"event": {"end": {"exitCode": 0, "exited": True, "status": "exit status 0"}}}
    assert last == (2, {})


def test_a_failing_stream_is_200_with_an_error_at_its_end(http):
    reply = start(
        http, "true", headers={"Authorization": "Basic " + base64.b64encode(b"x:").decode()}
    )
    assert reply.status_code == 200
    error = {"code": "unauthenticated", "message": "invalid username: 'x'"}
    assert opened(reply.content) == [(2, {"error": error})]


@pytest.mark.parametrize(
    ("path", "message", "status", "code"),
    [
        ("/filesystem.Filesystem/Stat", {"path": "/no/such/thing"}, 404, "not_found"),
        ("/filesystem.Filesystem/Stat", {"path": 7}, 400, "invalid_argument"),
        ("/filesystem.Filesystem/Stat", {"path": "a\0b"}, 400, "invalid_argument"),
        ("/filesystem.Filesystem/Stat", {"path": "x" * 5000}, 400, "invalid_argument"),
        ("/filesystem.Filesystem/Stat", {"path": "\ud800"}, 400, "invalid_argument"),
        ("/filesystem.Filesystem/MakeDir", {"path": "/"}, 409, "already_exists"),
        ("/filesystem.Filesystem/Unheard", {}, 501, "unimplemented"),
        ("/process.Process/SendSignal", {"signal": 9}, 400, "invalid_argument"),
        (
            "/process.Process/SendSignal",
            {"process": {"pid": 999999}, "signal": 9},
            404,
            "not_found",
        ),
        ("/process.Process/CloseStdin", {"process": {"tag": "none"}}, 404, "not_found"),
    ],
)
def test_unary_errors_have_their_status(http, path, message, status, code):
    reply = http.post(path, content=json.dumps(message))
    assert (reply.status_code, reply.json()["code"]) == (status, code)


@pytest.mark.parametrize("content", [b"[]", b"nonsense", b"[" * 100_000, b"\xff"])
def test_bodies_that_are_no_message_are_refused(http, content):
    reply = http.post("/filesystem.Filesystem/Stat", content=content)
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_argument")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "invalid_argument"),
        (b"\0\0", "invalid_argument"),
        (enveloped({})[:-1], "invalid_argument"),
        (enveloped({}, flags=1), "invalid_argument"),
        (enveloped({}) * 2, "invalid_argument"),
        (enveloped([]), "invalid_argument"),
        (struct.pack(">BI", 0, 2**32 - 1), "resource_exhausted"),
    ],
)
def test_broken_streams_are_refused(http, content, code):
    reply = http.post("/process.Process/Start", content=content, headers=STREAM)
    ((flags, end),) = opened(reply.content)
    assert (flags, end["error"]["code"]) == (2, code)


def test_a_body_beyond_the_limit_is_refused(http):
    pieces = (bytes(1024 * 1024) for _ in range(40))
    reply = http.post("/filesystem.Filesystem/Stat", content=pieces)
    assert (reply.status_code, reply.json()["code"]) == (429, "resource_exhausted")


def test_chunked_bodies_are_accepted(http, tmp_path):
    message = json.dumps({"path": str(tmp_path)}).encode()
    reply = http.post(
        "/filesystem.Filesystem/Stat", content=(message[i : i + 1] for i in range(len(message)))
    )
    assert reply.json()["entry"]["path"] == str(tmp_path)


def test_names_may_come_as_in_the_proto_file_or_in_camel_case(http):
    for name in ("tag", "Tag"):
        reply = start(http, "true", **{name: "x"})
        assert opened(reply.content)[-1] == (2, {})


def test_silence_is_filled_with_signs_of_life(http):
    reply = start(http, "sleep 2.5", headers={"Keepalive-Ping-Interval": "1"})
    events = [message["event"] for flags, message in opened(reply.content) if not flags]
    assert [next(iter(event)) for event in events] == ["start", "keepalive", "keepalive", "end"]


def test_the_deadline_ends_the_stream_with_an_error(http):
    reply = start(http, "sleep 60", headers={"Connect-Timeout-Ms": "300"})
    flags, end = opened(reply.content)[-1]
    assert (flags, end["error"]["code"]) == (2, "deadline_exceeded")
    assert http.post("/process.Process/List", json={}).json() == {"processes": []}


def test_a_connections_deadline_leaves_the_program_alone(http):
    with http.stream(
        "POST", "/process.Process/Start", content=bash("sleep 60", tag="long"), headers=STREAM
    ) as stream:
        next(stream.iter_raw())
        reply = http.post(
            "/process.Process/Connect",
            content=enveloped({"process": {"tag": "long"}}),
            headers=STREAM | {"Connect-Timeout-Ms": "300"},
        )
        assert opened(reply.content)[-1][1]["error"]["code"] == "deadline_exceeded"
        listed = http.post("/process.Process/List", json={}).json()["processes"]
        assert [process["tag"] for process in listed] == ["long"]


def test_input_that_nobody_takes_ends_with_its_deadline(http):
    with deaf_program(http) as much_input:
        reply = http.post(
            "/process.Process/SendInput",
            json=much_input,
            headers={"Connect-Timeout-Ms": "300"},
        )
        assert (reply.status_code, reply.json()["code"]) == (504, "deadline_exceeded")


def test_a_program_that_does_not_exist_is_an_error(http):
    reply = http.post(
        "/process.Process/Start", content=enveloped({"process": {"cmd": "no-such"}}), headers=STREAM
    )
    (end,) = [message for flags, message in opened(reply.content) if flags]
    assert end["error"]["code"] == "not_found"
    assert "no-such" in end["error"]["message"]


def test_the_user_is_named_by_basic_authorization(http):
    header = {"Authorization": "Basic " + base64.b64encode(f"{USER}:".encode()).decode()}
    reply = start(http, "printf $USER", headers=header)
    data = opened(reply.content)[1][1]["event"]["data"]["stdout"]
    assert base64.b64decode(data).decode() == USER


def test_a_sandbox_that_is_gone_is_502(envd, http):
    envd.agent.kill()
    envd.agent.wait()
    gone = {"sandboxId": "tested", "message": "The sandbox was not found", "code": 502}
    for reply in (
        http.post("/process.Process/List", json={}),
        start(http, "true"),
        http.get("/files", params={"path": "x"}),
        http.post("/files", params={"path": "x"}, files={"file": b"x"}),
        http.get("/metrics"),
    ):
        assert (reply.status_code, reply.json()) == (502, gone)


def test_a_sandbox_lost_in_a_stream_cuts_the_connection(envd, http):
    with http.stream(
        "POST", "/process.Process/Start", content=bash("sleep 60"), headers=STREAM
    ) as stream:
        received = stream.iter_raw()
        assert "start" in opened(next(received))[0][1]["event"]
        envd.agent.kill()
        with pytest.raises(httpx.ReadError):
            next(received)


def test_a_sandbox_lost_in_a_download_cuts_the_connection(envd, http, tmp_path):
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 10**9)
    with http.stream("GET", "/files", params={"path": str(tmp_path / "large")}) as stream:
        assert stream.headers["content-length"] == str(10**9)
        envd.agent.kill()
        with pytest.raises(httpx.ReadError):
            for _ in stream.iter_raw():
                pass


def test_a_file_that_shrinks_in_a_download_cuts_the_connection(http, tmp_path):
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 10**9)
    with http.stream("GET", "/files", params={"path": str(tmp_path / "large")}) as stream:
        os.truncate(tmp_path / "large", 0)
        with pytest.raises(httpx.ReadError):
            for _ in stream.iter_raw():
                pass


def test_a_client_that_leaves_takes_its_input_along(http):
    with deaf_program(http) as much_input:
        with pytest.raises(httpx.ReadTimeout):
            http.post(
                "/process.Process/SendInput",
                json=much_input,
                timeout=0.3,
            )
        # While the input waited it held the turn: only now can it be closed.
        reply = http.post("/process.Process/CloseStdin", json={"process": {"tag": "deaf"}})
        assert reply.status_code == 200


@pytest.mark.parametrize(
    ("process", "problem"),
    [
        ({"cmd": ""}, "error starting process ''"),
        ({"cmd": "true", "envs": {"A=B": "x"}}, "illegal environment variable name"),
        ({"cmd": "true", "args": ["a\0b"]}, "embedded null byte"),
        ({"cmd": "true", "args": ["x" * 3_000_000]}, "argument list too long"),
        ({"cmd": "true", "cwd": "/proc/cpuinfo"}, "is not a directory"),
        ({"cmd": "/etc/passwd"}, "permission denied"),
    ],
)
def test_programs_that_cannot_start_say_why(http, process, problem):
    message = enveloped({"process": process})
    reply = http.post("/process.Process/Start", content=message, headers=STREAM)
    ((_, end),) = opened(reply.content)
    assert problem in end["error"]["message"]
