"""A real model that errs or is taken away under a run: a message, a clean end, nothing left."""

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from capibara6.codegen.endpoint import Endpoint
from capibara6.codegen.reply import Reply
from capibara6.domain import events as ev
from capibara6.domain.requests import Request
from capibara6.main import Platform
from support.sandbox_server import START_TIMEOUT_S, SandboxServer
from support.small_model import (
    TIER,
    events_of,
    model_processes,
    needs_small_model,
    platform_with_small_model,
)

pytestmark = [pytest.mark.timeout(START_TIMEOUT_S), needs_small_model]

EASY = "Write a Python program that prints the sum of the integers from 1 to 10."
PROSE = "Write code: explain in one sentence of prose, without any code, why the sky is blue."
LETTER = "Write a program that prints the text of a long letter to my grandmother."
ENDLESS = {"1725": 100}  # " understanding", so likely that the engine writes nothing else


@pytest.fixture
async def platform(sandbox_server: SandboxServer, tmp_path: Path) -> AsyncIterator[Platform]:
    async with platform_with_small_model(
        tmp_path / "home", sandbox_server, context_tokens=1024, attempts_max=1
    ) as platform:
        yield platform


async def run(platform: Platform, question: str) -> tuple[str, Any]:
    """What the model wrote, and how the run ended."""
    events = await events_of(platform, uuid.uuid4().hex, question)
    text = "".join(event.text for event in events if isinstance(event, ev.ProgramChunk))
    assert isinstance(events[-1], ev.RunFinished)
    return text, events[-1]


async def test_prose_is_told_as_no_program(platform: Platform) -> None:
    text, finished = await run(platform, PROSE)
    assert text.strip()
    assert finished.error_code == "model_reply"
    assert "gave no usable program: the answer holds no program: 'The " in finished.error


async def test_a_question_longer_than_the_context_is_shortened(platform: Platform) -> None:
    events = await events_of(platform, uuid.uuid4().hex, EASY + " word" * 5000)
    (program,) = (event.program for event in events if isinstance(event, ev.ProgramWritten))
    assert 500 < program.prompt_tokens < 1024
    assert isinstance(events[-1], ev.RunFinished)


async def test_an_answer_that_is_cut_is_told_with_its_limit(
    sandbox_server: SandboxServer, tmp_path: Path
) -> None:
    async with platform_with_small_model(
        tmp_path / "home", sandbox_server, tokens_max=24, attempts_max=1
    ) as platform:
        text, finished = await run(platform, LETTER)
    assert text.strip()
    assert finished.error_code == "model_reply"
    assert "it was cut at 24 tokens, before its program was complete" in finished.error
    assert "raise the tier's tokens_max" in finished.error


async def test_endless_repetition_is_stopped(sandbox_server: SandboxServer, tmp_path: Path) -> None:
    async with platform_with_small_model(
        tmp_path / "home", sandbox_server, context_tokens=4096, attempts_max=1
    ) as platform:
        tier = replace(platform.tiers[0], tokens_max=3500)
        endpoint = Endpoint(tier, {"logit_bias": ENDLESS})
        reply = Reply()
        async for _ in endpoint.stream([{"role": "user", "content": "Write."}], reply):
            pass
        assert reply.stopped
        assert "repeats itself without end after" in reply.stopped
        assert reply.chars < 6_000, "the engine would have gone on to its 3,500 tokens"
        _, finished = await run(platform, EASY)
        assert finished.success, "the model is free for the next question"


async def test_a_model_killed_under_an_answer_is_asked_again(platform: Platform) -> None:
    kills = Kills(1)
    events = [event async for event in kills.within(platform)]
    text = "".join(event.text for event in events if isinstance(event, ev.ProgramChunk))
    assert "[The answer broke off; the model is asked again.]" in text
    assert len(set(kills.killed)) == 1
    assert events[-1].success


async def test_a_model_killed_under_every_answer_ends_the_run_with_a_message(
    platform: Platform,
) -> None:
    kills = Kills(100)
    events = [event async for event in kills.within(platform)]
    finished = events[-1]
    assert isinstance(finished, ev.RunFinished)
    assert finished.error_code in ("model_reply", "model_unreachable")
    assert "local model 'smollm2' broke off" in finished.error
    assert "SIGKILL" in finished.error
    assert 2 <= len(kills.killed) <= 10
    _, told = await run(platform, EASY)
    assert "crashed 2 times without an answer" in told.error
    _, served = await run(platform, EASY)
    assert served.success, "it is tried anew"


class Kills:
    """Kills the model's process as soon as it has begun to answer, so many times."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.killed: list[int] = []

    async def within(self, platform: Platform) -> AsyncIterator[ev.Event]:
        request = Request(uuid.uuid4().hex, EASY, tier=TIER)
        async for event in platform.pipeline.run(request):
            yield event
            if isinstance(event, ev.ProgramChunk) and len(self.killed) < self.times:
                await self._kill()

    async def _kill(self) -> None:
        for process in await asyncio.to_thread(model_processes):
            if process not in self.killed:
                os.kill(process, signal.SIGKILL)
                self.killed.append(process)
