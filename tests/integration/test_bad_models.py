"""Model files and processes that go wrong behind the endpoint: a message, and nothing stays."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from capibara6.local_models.endpoint import LocalEndpoint
from capibara6.local_models.registry import Registry
from capibara6.local_models.serving import ServedModel
from support.gguf_files import tiny_gguf
from support.platform_process import Installation
from support.sandbox_server import wait_until
from support.small_model import FOUND, model_processes, needs_small_model

pytestmark = pytest.mark.timeout(300)


@asynccontextmanager
async def client_of(
    folder: Path, file: Path, context_tokens: int = 1024, idle_s: float = 300
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the endpoint of one model; at the end no process of it is left."""
    assert FOUND
    model = Registry(folder).add("m", file, "fast_response", context_tokens)
    served = ServedModel(model, FOUND[0], folder / "log", lambda _share, _text: None, idle_s)
    async with LocalEndpoint({"m": served}).serving() as endpoint:
        headers = {"authorization": f"Bearer {endpoint.key}"}
        async with httpx.AsyncClient(
            base_url=endpoint.base_url, headers=headers, trust_env=False, timeout=250
        ) as client:
            yield client
    assert model_processes() == []


async def ask(client: httpx.AsyncClient, tokens: int = 4, **more: Any) -> httpx.Response:
    messages = [{"role": "user", "content": "Count from 1 to 10000."}]
    body = {"model": "m", "messages": messages, "max_tokens": tokens, "temperature": 0, **more}
    return await client.post("/chat/completions", json=body)


async def refusal_of(client: httpx.AsyncClient, **more: Any) -> str:
    reply = await ask(client, **more)
    assert reply.status_code == 424, "a status that no client tries again by itself"
    return str(reply.json()["error"]["message"])


@needs_small_model
async def test_an_idle_model_is_ended_and_started_anew(tmp_path: Path) -> None:
    assert FOUND
    async with client_of(tmp_path, FOUND[1], idle_s=0.3) as client:
        assert (await ask(client)).status_code == 200
        await asyncio.to_thread(wait_until, lambda: model_processes() == [])
        assert (await ask(client)).status_code == 200


@needs_small_model
async def test_a_second_crash_under_a_request_is_told_and_the_next_is_served(
    tmp_path: Path,
) -> None:
    assert FOUND
    async with client_of(tmp_path, FOUND[1]) as client:
        asked = asyncio.create_task(refusal_of(client, tokens=900))
        killed: set[int] = set()
        while len(killed) < 2 and not asked.done():
            await asyncio.sleep(0.01)
            for process in await asyncio.to_thread(model_processes):
                if process not in killed and await asyncio.to_thread(is_asked, process):
                    os.kill(process, signal.SIGKILL)
                    killed.add(process)
        message = await asked
        assert "'m' broke off twice" in message
        assert "SIGKILL" in message
        # Two without an answer: whoever asks next is told, whoever asks then has it tried anew.
        assert "crashed 2 times without an answer" in await refusal_of(client)
        assert (await ask(client)).status_code == 200


def is_asked(process: int) -> bool:
    """Whether it has a connection: it is loaded, and somebody has asked it something."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established = {f"socket:[{row[9]}]" for row in rows if row[3] == "01"}
    try:
        held = {os.readlink(fd) for fd in Path(f"/proc/{process}/fd").iterdir()}
    except FileNotFoundError:
        return False
    return not established.isdisjoint(held)


@needs_small_model
async def test_a_file_that_changed_since_it_was_added_is_told(tmp_path: Path) -> None:
    file = tiny_gguf(tmp_path / "m.gguf")
    async with client_of(tmp_path, file) as client:
        whole = file.read_bytes()
        file.write_bytes(whole[:-10])
        assert "cut short" in await refusal_of(client)
        file.write_text("no model at all")
        assert "no GGUF file" in await refusal_of(client)
        file.unlink()
        assert "cannot be read" in await refusal_of(client, stream=True)


@needs_small_model
async def test_a_file_that_never_loads_is_told_each_time(tmp_path: Path) -> None:
    async with client_of(tmp_path, tiny_gguf(tmp_path / "m.gguf")) as client:
        said = [await refusal_of(client) for _ in range(3)]
    assert ["cannot load it" in one for one in said] == [True, True, False]
    assert f"crashed 2 times without an answer; its log: {tmp_path / 'log'}" in said[2]


def test_a_model_larger_than_memory_is_not_added(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "home", {})
    elements = 2**40  # 4 TiB, of which nothing but the head is written
    file = tiny_gguf(tmp_path / "big.gguf", elements, holes=True)
    added = installation.run("models", "add", "big", "--gguf", str(file))
    assert added.status != 0
    assert "GiB of memory" in added.messages
    assert "Take a smaller model" in added.messages
    assert installation.run("models", "list", "--json").json == []
    assert file.exists()


def test_a_port_that_is_taken_is_told_before_anything_is_started(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "home")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        served = installation.run("serve", "--port", str(port))
    assert served.status == 2
    assert f"platform.port = {port}: another program listens there" in served.messages
    assert "choose another port with --port" in served.messages
    assert installation.server_state() is None
