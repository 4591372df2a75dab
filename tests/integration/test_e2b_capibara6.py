"""The whole flow, through HTTP and the command line, against the real embedded server."""

import base64
import json
import signal
import socket
from pathlib import Path

import httpx
import pytest

from support.platform_process import EXAMPLES, Installation
from support.sandbox_server import wait_until

pytestmark = pytest.mark.timeout(900)  # the first start on a machine builds the template

BIRDS = EXAMPLES / "birdstrikes" / "birdstrikes.csv"
# A cgroup ends the program; without one, a limit of the process makes Python raise.
OUT_OF_MEMORY = ("OutOfMemory", "MemoryError")
FORK_WITHOUT_END = """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
QUESTION = "¿Qué especies de aves causan más impactos?"


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    return Installation(tmp_path_factory.mktemp("capibara6") / "home")


@pytest.fixture(scope="module")
def url(installation):
    with installation.serving() as url:
        yield url
    assert installation.server_state() is None  # it ended with the platform that started it


@pytest.fixture
def http(url):
    with httpx.Client(base_url=url, timeout=120) as client:
        yield client


def file_body(content):
    return {"base64": base64.b64encode(content).decode()}


def bird_question(**more):
    return {"question": QUESTION, "files": {"birds.csv": file_body(BIRDS.read_bytes())}, **more}


def events_of(reply):
    """The frames of a server-sent event stream: (id, name, data)."""
    frames = [frame for frame in reply.text.split("\n\n") if frame and not frame.startswith(":")]
    fields = [dict(line.split(": ", 1) for line in frame.split("\n")) for frame in frames]
    return [(int(f["id"]), f["event"], json.loads(f["data"])) for f in fields]


class TestOverHttp:
    def test_a_question_is_answered_as_a_stream_of_events(self, http):
        reply = http.post(
            "/api/query", json=bird_question(), headers={"Accept": "text/event-stream"}
        )

        assert reply.headers["content-type"].startswith("text/event-stream")
        frames = events_of(reply)
        names = [name for _, name, _ in frames]
        assert [number for number, _, _ in frames] == list(range(1, len(frames) + 1))
        assert names[:2] == ["run_started", "routed"]
        milestones = ["program_written", "validated", "execution_started", "execution_finished"]
        assert [name for name in names if name in milestones] == milestones
        assert {"output", "result_shown"} <= set(names)
        last = frames[-1][2]
        assert last["event"] == "run_finished"
        assert last["success"]
        assert "Unknown bird - small" in last["answer"]
        assert "No se usó ningún modelo" in last["answer"]
        assert frames[1][2]["route"]["language"] == "es"
        assert last["run_id"] == reply.headers["x-run-id"]

        replayed = http.get(f"/api/runs/{last['run_id']}").json()["events"]
        assert replayed == [data for _, _, data in frames]

    def test_a_question_is_answered_as_json_with_its_chart(self, http):
        reply = http.post("/api/query", json=bird_question())

        assert reply.status_code == 200
        body = reply.json()
        assert body["success"]
        assert body["route"]["tier"] == "recipe"
        (attempt,) = body["attempts"]
        assert attempt["program"]["origin"].startswith("recipe:")
        assert any("e2b/data" in item["data"] for item in attempt["result"]["results"])
        chart = next(a for a in attempt["result"]["artefacts"] if a["mime"] == "image/png")
        image = http.get(chart["url"])
        assert image.content.startswith(b"\x89PNG")
        assert image.headers["x-content-type-options"] == "nosniff"

    def test_a_program_is_run_with_its_files_and_environment(self, http):
        program = "import os\nprint(open('in/a.txt').read(), os.environ['NAME'])\n6 * 7"
        reply = http.post(
            "/api/e2b/execute",
            json={"code": program, "files": {"in/a.txt": "hola"}, "env": {"NAME": "capi"}},
        )

        body = reply.json()
        assert (reply.status_code, body["success"]) == (200, True)
        assert body["stdout"] == "hola capi\n"
        assert body["results"] == [{"data": {"text/plain": "42"}, "is_main_result": True}]
        assert body["usage"]["wall_s"] > 0
        record = http.get(f"/api/executions/{body['id']}").json()
        assert (record["code"], record["run_id"]) == (program, body["run_id"])
        listed = http.get("/api/executions", params={"run_id": body["run_id"]}).json()
        assert (listed["total"], listed["items"][0]["id"]) == (1, body["id"])

    def test_a_program_is_streamed_when_asked(self, http):
        reply = http.post("/api/e2b/execute", json={"code": "print('hola')", "stream": True})

        names = [name for _, name, _ in events_of(reply)]
        assert names[0] == "run_started"
        assert names[-2:] == ["execution_finished", "run_finished"]
        assert "output" in names

    @pytest.mark.parametrize(
        ("program", "more", "error"),
        [
            ("1/0", {}, "ZeroDivisionError"),
            ("while True: pass", {"timeout": 1}, "Timeout"),
            ("while True: print('x' * 1000)", {"timeout": 60}, "OutputLimit"),
            ("import sys; sys.exit(3)", {}, "SystemExit"),
            ("import os; os._exit(3)", {}, None),
            ("x = [bytearray(50_000_000) for _ in range(100)]", {}, OUT_OF_MEMORY),
            ("f = open('big', 'wb')\nwhile True: f.write(b'x' * 10_000_000)", {}, "OSError"),
            (FORK_WITHOUT_END, {"timeout": 3}, "Timeout"),
            ("import os; os.kill(os.getpid(), 9)", {}, None),
        ],
    )
    def test_a_failing_program_is_an_answer_and_leaves_no_sandbox(
        self, http, installation, program, more, error
    ):
        reply = http.post("/api/e2b/execute", json={"code": program, **more})

        assert reply.status_code == 200
        assert not reply.json()["success"]
        expected = error if isinstance(error, tuple) else (error,)
        assert error is None or reply.json()["error"]["name"] in expected
        assert installation.sandboxes() == []

    @pytest.mark.parametrize(
        ("path", "body", "status", "code"),
        [
            ("/api/e2b/execute", {"code": "1", "template": "nope"}, 400, "unknown_template"),
            ("/api/e2b/execute", {"code": "1", "language": "cobol"}, 400, "unknown_language"),
            ("/api/e2b/execute", {"code": "1", "timeout": 0}, 400, "bad_request"),
            ("/api/e2b/execute", {"code": "1", "timeout": 604800}, 400, "bad_request"),
            ("/api/e2b/execute", {"code": "1", "timeout": "soon"}, 422, "invalid_request"),
            ("/api/e2b/execute", {"code": "1", "typo": 1}, 422, "invalid_request"),
            ("/api/e2b/execute", {"code": " "}, 400, "bad_request"),
            ("/api/e2b/execute", {"code": "1", "env": {"A=B": "1"}}, 422, "invalid_request"),
            ("/api/e2b/execute", {"code": "1", "files": {"../x": "1"}}, 400, "bad_request"),
            ("/api/e2b/execute", {"code": "x" * 2_000_000}, 413, "too_large"),
            ("/api/query", {"question": ""}, 400, "bad_request"),
            ("/api/query", {"question": "q", "template": "nope"}, 400, "unknown_template"),
            ("/api/query", {"question": "q", "tier": "nope"}, 400, "unknown_tier"),
            ("/api/query", {"question": "q", "timeout": -1}, 400, "bad_request"),
            ("/api/query", {"question": "q", "files": {"a/b.csv": "1"}}, 422, "data_file"),
            ("/api/query", {"question": "q", "files": {"a.csv": ""}}, 422, "data_file"),
            ("/api/query", {"question": "q", "files": {"a.csv": {}}}, 422, "invalid_request"),
        ],
    )
    def test_bad_input_is_refused_in_the_one_shape(self, http, path, body, status, code):
        reply = http.post(path, json=body)

        assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
        assert reply.json()["error"]["message"]

    @pytest.mark.parametrize(
        "content",
        [bytes(range(256)) * 64, ",".join(f"c{i}" for i in range(1_000_000)).encode()],
        ids=["binary", "a million columns"],
    )
    def test_a_hopeless_table_is_refused_before_any_sandbox(self, http, content):
        reply = http.post(
            "/api/query", json={"question": "summary?", "files": {"t.csv": file_body(content)}}
        )

        assert (reply.status_code, reply.json()["error"]["code"]) == (422, "data_file")

    def test_a_table_in_latin_1_is_read(self, http):
        table = "País;Población\nEspaña;48\nPerú;34\n".encode("latin-1")
        reply = http.post(
            "/api/query",
            json={
                "question": "¿Qué País tiene más Población?",
                "files": {"t.csv": file_body(table)},
            },
        )

        assert reply.status_code == 200
        assert "España" in reply.json()["answer"]

    def test_a_hundred_megabytes_of_code_are_refused_while_they_arrive(self, http):
        sent = []

        def body():
            yield b'{"code": "'
            for _ in range(1000):
                sent.append(1)
                yield b"x" * 100_000

        reply = http.post(
            "/api/e2b/execute", content=body(), headers={"Content-Type": "application/json"}
        )

        assert (reply.status_code, reply.json()["error"]["code"]) == (413, "too_large")

    def test_a_client_that_goes_ends_its_run_and_its_sandbox(self, http, installation):
        program = "print('begun', flush=True)\nimport time\ntime.sleep(600)"
        with http.stream(
            "POST", "/api/e2b/execute", json={"code": program, "stream": True}
        ) as reply:
            run_id = reply.headers["x-run-id"]
            for line in reply.iter_lines():
                if line == "event: output":
                    assert len(installation.sandboxes()) == 1
                    break

        wait_until(lambda: installation.sandboxes() == [])
        wait_until(lambda: http.get(f"/api/runs/{run_id}").json()["error_code"] == "cancelled")

    def test_a_client_that_goes_without_streaming_ends_its_run_too(self, http, installation):
        with pytest.raises(httpx.ReadTimeout):
            http.post("/api/e2b/execute", json={"code": "import time; time.sleep(600)"}, timeout=2)

        wait_until(lambda: installation.sandboxes() == [])
        newest = http.get("/api/runs", params={"limit": 1}).json()["items"][0]
        assert newest["error_code"] in {"cancelled", None}

    def test_information_about_the_platform(self, http):
        assert http.get("/api/health").json()["status"] == "ok"
        templates = http.get("/api/e2b/templates").json()["items"]
        assert {"default", "data_analysis", "machine_learning"} <= {t["name"] for t in templates}
        assert http.get("/api/e2b/stats").json()["overall"]["total"] >= 0
        assert "capibara6_" in http.get("/metrics").text
        assert "/api/e2b/execute" in http.get("/openapi.json").json()["paths"]
        assert http.get("/docs").status_code == 200

    def test_unknown_records(self, http):
        for path in ("/api/executions/x", "/api/runs/x", "/api/executions/x/artefacts/y"):
            reply = http.get(path)
            assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found")


class TestOnTheCommandLine:
    def test_a_question_is_answered_in_plain_text(self, url, installation):
        done = installation.run("ask", QUESTION, "--data", str(BIRDS))

        assert done.status == 0, done.messages
        order = ["Ruta: group → recipe", "import pandas", "Unknown bird - small", "Respuesta"]
        places = [done.output.index(text) for text in order]
        assert places == sorted(places)
        assert "No se usó ningún modelo" in done.output
        assert "\x1b" not in done.output
        chart = next(line.strip() for line in done.output.splitlines() if line.endswith(".png"))
        assert Path(chart).read_bytes().startswith(b"\x89PNG")
        assert installation.home / "runs" in Path(chart).parents

    def test_a_question_is_answered_as_json_and_found_again(self, url, installation):
        done = installation.run("ask", "How many strikes per Airport Name?", "--data", str(BIRDS),
                                "--json")  # fmt: skip

        record = done.json
        assert (done.status, record["success"]) == (0, True)
        assert "No model was used" in record["answer"]
        again = installation.run("executions", record["run_id"], "--json")
        assert again.json["answer"] == record["answer"]
        assert record["run_id"] in installation.run("executions", "--json").output

    def test_programs_from_files_and_standard_input(self, url, installation):
        script = installation.home / "p.sh"
        script.write_text("echo hola $((6 * 7))")

        assert "hola 42" in installation.run("execute", str(script)).output
        failed = installation.run("execute", "-", stdin="print(x)")
        assert failed.status == 1
        assert "NameError" in failed.output

    def test_a_taken_port_is_told(self, url, installation):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            done = installation.run("serve", "--port", str(taken.getsockname()[1]))

        assert done.status == 2
        assert "another program listens there" in done.messages

    def test_the_doctor_and_the_connection_test_agree_that_it_works(self, url, installation):
        doctor = installation.run("doctor", "--json")
        assert doctor.status == 0, doctor.output
        assert {"platform", "sandbox"} == {check["part"] for check in doctor.json}

        tested = installation.run("test-connection", "--json")
        assert (tested.status, tested.json["passed"]) == (0, True)
        assert "numpy" in tested.json["packages"]

    def test_an_interrupt_ends_the_run_and_its_sandbox(self, url, installation):
        process = installation.start("execute", "-")
        process.stdin.write("print('begun', flush=True)\nimport time\ntime.sleep(600)")
        process.stdin.close()
        for line in process.stdout:
            if "begun" in line and "print" not in line:
                break

        process.send_signal(signal.SIGINT)

        assert process.wait(timeout=60) == 130
        process.stdout.close()
        process.stderr.close()
        assert installation.sandboxes() == []

    def test_a_command_starts_the_server_and_the_next_one_finds_it(self, tmp_path):
        fresh = Installation(tmp_path / "home")
        try:
            first = fresh.run("execute", "-", stdin="print('first')")
            state = fresh.server_state()
            second = fresh.run("execute", "-", stdin="print('second')")

            assert (first.status, second.status) == (0, 0), first.messages + second.messages
            assert "first" in first.output
            assert fresh.server_state() == state
        finally:
            fresh.stop_server()
            wait_until(lambda: fresh.server_state() is None)

    def test_the_sandbox_server_alone_prints_what_the_sdks_need(self, tmp_path):
        fresh = Installation(tmp_path / "home")
        key = "e2b_" + "5" * 40
        process = fresh.start("sandbox", "serve", "--port", "0", "--api-key", key)
        try:
            exports = dict(word.split("=", 1) for word in process.stdout.readline().split()[1:])

            assert exports["E2B_API_URL"] == exports["E2B_SANDBOX_URL"]
            assert exports["E2B_API_KEY"] == key
            assert key not in Path(f"/proc/{process.pid}/cmdline").read_text()
            assert "by itself" in fresh.run("execute", "-", stdin="print('by itself')").output
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
        assert fresh.server_state() is None

    @pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
    def test_serve_takes_its_sandbox_server_with_it(self, tmp_path, number, status):
        fresh = Installation(tmp_path / "home")
        process = fresh.start("serve", "--port", "0")
        for line in process.stderr:
            if "http://" in line:
                break
        beside = fresh.server_state()["pid"]

        process.send_signal(number)
        process.communicate(timeout=60)

        assert process.returncode == status
        assert not Path(f"/proc/{beside}").exists()
