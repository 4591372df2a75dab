"""Several platforms of one data folder: a model is loaded once, and nobody is kept waiting."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from capibara6.local_models import borrowing
from capibara6.local_models.opening import LEASE_NAME, opened_models
from support.sandbox_server import wait_until
from support.small_model import NAME, data_folder_with_model, model_processes, needs_small_model

pytestmark = [pytest.mark.timeout(300), needs_small_model]
LONG = "Count from 1 to 10000."
HOLDER = """
import asyncio, sys
from pathlib import Path
from capibara6.local_models.opening import opened_models
async def main():
    async with opened_models(Path(sys.argv[1]), lambda share, text: None) as (tier,):
        print(tier.base_url, tier.key, flush=True)
        await asyncio.sleep(200)
asyncio.run(main())
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return data_folder_with_model(tmp_path / "home", 1024)


@asynccontextmanager
async def platform(home: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a platform's endpoint, as the platform itself is one."""
    async with (
        opened_models(home, lambda _share, _text: None) as (tier,),
        client_of(tier.base_url, tier.key) as client,
    ):
        yield client


def client_of(base_url: str, key: str) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=base_url, headers=headers, trust_env=False, timeout=200)


def body(question: str = "Write a program.", tokens: int = 8, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}]
    return {"model": NAME, "messages": messages, "max_tokens": tokens, "temperature": 0, **more}


async def said(client: httpx.AsyncClient, **more: Any) -> str:
    reply = await client.post("/chat/completions", json=body(**more))
    assert reply.status_code == 200, reply.text
    return str(reply.json()["choices"][0]["message"]["content"])


async def streamed(client: httpx.AsyncClient, **more: Any) -> AsyncIterator[dict[str, Any]]:
    asking = client.stream("POST", "/chat/completions", json=body(stream=True, **more))
    async with asking as reply:
        assert reply.status_code == 200
        async for line in reply.aiter_lines():
            if line.startswith("data: {"):
                yield json.loads(line.removeprefix("data: "))


@asynccontextmanager
async def other_platform(home: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, Any]]:
    """A platform in a process of its own, which can be stopped and killed, and a client of it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(home), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    base_url, key = (await process.stdout.readline()).decode().split()
    try:
        async with client_of(base_url, key) as client:
            yield process, client
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_two_platforms_load_a_model_once(home: Path) -> None:
    async with platform(home) as first, platform(home) as second:
        answers = await asyncio.gather(said(first), said(second))
        assert answers[0] == answers[1]
        assert len(model_processes()) == 1
        options = {"stream_options": {"include_usage": True}}
        chunks = [chunk async for chunk in streamed(second, **options)]
        pieces = [c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"]]
        assert "".join(pieces) == answers[0]
        assert chunks[-1]["usage"]["completion_tokens"] > 0
        refused = await second.post("/chat/completions", json=body(question="word " * 3000))
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "context_length_exceeded"
        assert len(model_processes()) == 1
    assert model_processes() == []
    assert (home / "models" / NAME / LEASE_NAME).read_bytes() == b"", "no key is left"


async def test_who_leaves_another_platforms_model_stops_it(home: Path) -> None:
    async with platform(home) as first, platform(home) as second:
        await said(first, tokens=1)
        async for _ in streamed(second, question=LONG, tokens=900):
            break
        await said(first, tokens=4)  # its turn came: nobody holds it
        assert len(model_processes()) == 1


async def test_the_other_platform_takes_over_when_the_first_ends(home: Path) -> None:
    async with platform(home) as second:
        async with platform(home) as first:
            answer = await said(first)
            (process,) = model_processes()
            asked = asyncio.create_task(said(second, question=LONG, tokens=300))
            while not await waits_for_the_model(first):
                pass
        assert len(await asked) > 300, "it was asked anew, of a process of the second's own"
        assert await said(second) == answer
        assert model_processes() not in ([], [process])


async def waits_for_the_model(client: httpx.AsyncClient) -> bool:
    """Whether somebody else has its turn: a short answer does not come at once."""
    try:
        await client.post("/chat/completions", json=body(tokens=1), timeout=0.5)
    except httpx.ReadTimeout:
        return True
    return False


async def test_a_killed_platform_hands_its_model_over(home: Path) -> None:
    async with platform(home) as second:
        async with other_platform(home) as (process, first):
            await said(first, tokens=1)
            (model,) = model_processes(process.pid)
            chunks = []
            async for chunk in streamed(second, question=LONG, tokens=900):
                chunks.append(chunk)
                if len(chunks) == 5:
                    process.kill()
        assert chunks[-1]["error"]["code"] == borrowing.MOVED
        await said(second, tokens=1)
        assert len(model_processes()) == 1
        await asyncio.to_thread(wait_until, lambda: not Path(f"/proc/{model}").exists())


async def test_a_platform_that_is_stopped_keeps_nobody_waiting(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(borrowing, "_GREETING_S_MAX", 1.0)
    async with platform(home) as second, other_platform(home) as (process, first):
        await said(first, tokens=1)
        process.send_signal(signal.SIGSTOP)
        await said(second, tokens=1)
        assert "does not answer: it is loaded here too" in caplog.text
        assert len(model_processes()) == 1
