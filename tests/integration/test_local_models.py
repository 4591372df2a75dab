"""The real small model behind the endpoint: streams, turns, crashes, ends."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from capibara6.local_models.endpoint import LocalEndpoint
from capibara6.local_models.registry import Registry
from capibara6.local_models.room import data_bytes_max
from capibara6.local_models.serving import ServedModel
from support.gguf_files import installed, tiny_gguf

FOUND = installed()
pytestmark = [
    pytest.mark.timeout(300),  # a machine that is busy computes slowly
    pytest.mark.skipif(FOUND is None, reason="needs llama.cpp and SmolLM2: `make local-models`"),
]
QUESTION = "Write a Python program that prints the numbers from 1 to 5."


def body(question: str = QUESTION, tokens: int = 8, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}]
    return {"model": "m", "messages": messages, "max_tokens": tokens, "temperature": 0, **more}


class Lab:
    def __init__(self, served: ServedModel, client: httpx.AsyncClient) -> None:
        self.served = served
        self.client = client

    async def ask(self, **options: Any) -> httpx.Response:
        return await self.client.post("/chat/completions", json=body(**options))


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    assert FOUND
    engine, file = FOUND
    model = Registry(tmp_path).add("m", file, "fast_response", 1024)
    served = ServedModel(model, engine, tmp_path / "log", lambda _share, _text: None)
    async with LocalEndpoint({"m": served}).serving() as endpoint:
        headers = {"authorization": f"Bearer {endpoint.key}"}
        async with httpx.AsyncClient(
            base_url=endpoint.base_url, headers=headers, trust_env=False, timeout=250
        ) as client:
            yield Lab(served, client)
    assert served.pid is None


def of_process(pid: int | None, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


async def test_a_schema_of_openais_form_binds_the_answer(lab: Lab) -> None:
    schema = {
        "type": "object",
        "properties": {"recipe": {"enum": ["group", "describe"]}},
        "required": ["recipe"],
    }
    form = {"type": "json_schema", "json_schema": {"name": "choice", "schema": schema}}
    reply = await lab.ask(tokens=40, response_format=form)
    answer = json.loads(reply.json()["choices"][0]["message"]["content"])
    assert answer["recipe"] in ("group", "describe")


async def test_answers_repeat_streams_count_and_two_at_once_queue(lab: Lab) -> None:
    assert lab.served.pid is None  # nothing runs before the first use
    whole = (await lab.ask()).json()
    text = whole["choices"][0]["message"]["content"]
    streams = await asyncio.gather(
        *(lab.ask(stream=True, stream_options={"include_usage": True}) for _ in range(2))
    )
    for stream in streams:
        lines = [line[6:] for line in stream.text.splitlines() if line.startswith("data: ")]
        assert lines[-1] == "[DONE]"
        chunks = [json.loads(line) for line in lines[:-1]]
        pieces = [c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"]]
        assert "".join(pieces) == text
        assert chunks[-1]["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]


async def test_a_wrong_key_a_wrong_name_and_a_long_prompt_are_refused(lab: Lab) -> None:
    refused = await lab.client.get("/models", headers={"authorization": "Bearer no"})
    assert refused.status_code == 401
    unknown = await lab.client.post("/chat/completions", json={**body(), "model": "n"})
    assert unknown.status_code == 404
    long = await lab.ask(question="word " * 3000, stream=True)
    assert (long.status_code, long.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert (await lab.ask(tokens=4)).status_code == 200


async def test_a_client_that_leaves_stops_the_generation(lab: Lab) -> None:
    options = body("Count from 1 to 10000.", tokens=900, stream=True)
    async with lab.client.stream("POST", "/chat/completions", json=options) as reply:
        async for _ in reply.aiter_lines():
            break
    with pytest.raises(httpx.ReadTimeout):
        await lab.client.post(
            "/chat/completions", json=body("Count to 10000.", tokens=900), timeout=0.02
        )
    assert (await lab.ask(tokens=4)).status_code == 200  # its turn came: nobody holds it


async def test_a_process_killed_in_a_stream_is_told_and_started_anew(lab: Lab) -> None:
    options = body("Count from 1 to 10000.", tokens=900, stream=True)
    said = []
    async with lab.client.stream("POST", "/chat/completions", json=options) as reply:
        async for line in reply.aiter_lines():
            said.append(line)
            if len(said) == 5:
                assert lab.served.pid
                killed = lab.served.pid
                os.kill(killed, signal.SIGKILL)
    assert "SIGKILL" in " ".join(said)
    assert gone(killed)
    assert (await lab.ask(tokens=4)).status_code == 200
    os.kill(lab.served.pid or 0, signal.SIGKILL)  # between two requests: nobody notices
    assert (await lab.ask(tokens=4)).status_code == 200


async def test_the_process_has_no_network_no_privilege_and_no_key_to_show(lab: Lab) -> None:
    await lab.ask(tokens=1)
    status = of_process(lab.served.pid, "status").decode()
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(facts["CapEff"], 16) == int(facts["CapPrm"], 16) == 0
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
    assert b"Bearer" not in of_process(lab.served.pid, "environ")
    arguments = of_process(lab.served.pid, "cmdline").split(b"\0")
    assert len([one for one in arguments if one]) == 3
    limits = of_process(lab.served.pid, "limits").decode().splitlines()
    data = next(line for line in limits if line.startswith("Max data size")).split()
    assert data[3:5] == [str(data_bytes_max(lab.served.model))] * 2


async def test_the_process_answers_only_to_its_key(lab: Lab) -> None:
    async with (
        lab.served.turn() as process,
        httpx.AsyncClient(base_url=process.base_url, trust_env=False, timeout=60) as stranger,
    ):
        replies = [
            await stranger.get("/v1/models"),
            await stranger.post("/v1/chat/completions", json=body()),
            await stranger.post("/v1/completions", json={"prompt": "x"}),
            await stranger.post("/v1/embeddings", json={"input": "x"}),
            await stranger.post("/extras/tokenize", json={"input": "x"}),
            await stranger.get("/v1/models", headers={"authorization": "Bearer guessed"}),
        ]
    assert [reply.status_code for reply in replies] == [401] * 6


async def test_a_file_that_llama_cpp_cannot_load_is_told(tmp_path: Path) -> None:
    assert FOUND
    model = Registry(tmp_path).add("m", tiny_gguf(tmp_path / "m.gguf"), "fast_response")
    served = ServedModel(model, FOUND[0], tmp_path / "log", lambda _share, _text: None)
    async with LocalEndpoint({"m": served}).serving() as endpoint:
        headers = {"authorization": f"Bearer {endpoint.key}"}
        async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=100) as client:
            reply = await client.post(f"{endpoint.base_url}/chat/completions", json=body())
    assert reply.status_code == 424
    assert "cannot load it" in reply.json()["error"]["message"]


HOLDER = """
import asyncio, sys
from pathlib import Path
from capibara6.local_models.process import ModelProcess
from capibara6.local_models.registry import Registry
async def main():
    home = Path(sys.argv[1])
    model = Registry(home).add("m", Path(sys.argv[3]), "fast_response", 512)
    process = await ModelProcess.start(sys.argv[2], model, home / "log")
    print(process.pid, flush=True)
    await asyncio.sleep(100)
asyncio.run(main())
"""


async def test_a_killed_platform_leaves_no_process(tmp_path: Path) -> None:
    assert FOUND
    engine, file = FOUND
    arguments = (str(tmp_path), str(engine / "bin" / "python"), str(file))
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout
    pid = int(await holder.stdout.readline())
    holder.kill()
    await holder.wait()
    async with asyncio.timeout(10):
        while not gone(pid):  # noqa: ASYNC110 - another process's end
            await asyncio.sleep(0.05)
