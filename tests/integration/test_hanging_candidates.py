"""Candidates that all hang, asked for at the command line: ended, told, and nothing is left."""

import asyncio
from pathlib import Path

import pytest

from scripted_model import ScriptedModel
from support.platform_process import Installation
from support.sandbox_server import START_TIMEOUT_S

pytestmark = pytest.mark.timeout(START_TIMEOUT_S)

HANGING = [
    "while True: pass",
    "import time; time.sleep(1e6)",
    "import threading; threading.Event().wait()",
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
]
QUESTION = "Write a program that prints the primes below 10"


async def test_they_are_ended_together_told_and_leave_nothing(tmp_path: Path) -> None:
    answers = [f"```python\n{program}\n```" for program in HANGING]
    async with ScriptedModel(answers) as model:
        tier = {"base_url": model.base_url, "model": "mistral"}
        config = {
            "tiers": {"fast_response": tier, "balanced": None, "complex": None},
            "limits": {"repair_attempts_max": 2},
        }
        installation = Installation(tmp_path / "home", config)
        options = ("--tier", "fast_response", "--candidates", "4", "--timeout", "2", "--json")
        try:
            asked = await asyncio.to_thread(installation.run, "ask", QUESTION, *options)
            left = installation.sandboxes()
        finally:
            installation.stop_server()
    assert asked.status == 1
    told = asked.json
    assert told["error"]["code"] == "program_failed"
    assert "The program did not end in time" in told["error"]["message"]
    assert len(told["attempts"]) == 2
    for attempt in told["attempts"]:
        tried, choice = attempt["candidates"], attempt["choice"]
        assert [one["success"] for one in tried] == [False] * 4
        assert all(one["shown"].startswith("Timeout: ") for one in tried)
        assert (choice["kept"], choice["ground"]) == (False, "none")
    assert left == []
