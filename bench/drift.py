"""The drift benchmark: a model that knows only old APIs, with and without the playbook.

    python bench/drift.py [--passes 4] [--cases N] [--planted 5] [--only on]

A scripted model behind a real HTTP endpoint writes each program as it was written years ago, and
heeds a lesson when its prompt holds one, a wrong one too. Every program runs in a sandbox of the
template. Each pass asks for the same tasks in other words, with other names and numbers, so that no
program is seen twice; between them stand tasks that it gets right. Prints, and asserts nothing.
"""

import argparse
import asyncio
import random
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from capibara6.ace import Curator
from capibara6.ace.deltas import add, stable_id
from capibara6.ace.playbook import Entry
from capibara6.domain.executions import ExecutionRequest
from capibara6.domain.playbook import Bullet
from capibara6.domain.requests import Request
from capibara6.main import Platform
from capibara6.outcomes import Outcome
from capibara6.outcomes import Trial as RunTrial
from capibara6.store import Store
from drift_cases import DRIFTS, SOUND
from scripted_platform import platform
from simulated_runs import simulate

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from scripted_model import Reply, ScriptedModel

TIER = "fast_response"
NAMES = ("values", "numbers", "measured", "xs", "readings", "amounts")
ASKED = (
    "Compute {english} for {numbers}.",
    "Write code for {other}, using {numbers}.",
    "Calcula {spanish} con {numbers}.",
    "Write a program that prints {english}; the data are {numbers}.",
)
HEAD = """import numpy as np
import pandas as pd
import matplotlib.pyplot as plt
import seaborn as sns
values = {numbers}
frame = pd.DataFrame({{'value': values, 'group': list('ababa')}})
series = pd.Series(values, index=pd.date_range('{day}', periods=5), name='s')
"""
LESSON = re.compile(
    r"^- .*?`([^`]+)` (?:is gone|is not taken|fails|may fail)(.*?); (?:then )?"
    r"(?:use `([^`]+)`|write it otherwise)",
    re.MULTILINE,
)
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Task:
    """A question with the program that the model remembers, and the one that works."""

    question: str
    old: str
    new: str

    @property
    def drifted(self) -> bool:
        return self.old != self.new


@dataclass
class Old(ScriptedModel):
    """A model that remembers old programs, heeds lessons, and mends what failed."""

    tasks: dict[str, Task] = field(default_factory=dict)

    def _next_reply(self) -> Reply:
        messages = self.requests[-1]["messages"]
        asked = next(m["content"] for m in messages if m["role"] == "user")
        task = next(task for question, task in self.tasks.items() if question in asked)
        mended = any(message["role"] == "assistant" for message in messages)
        lessons = messages[0]["content"]
        code = task.new if mended else heeded(task, lessons)
        chars = sum(len(message["content"]) for message in messages)
        return Reply(
            f"```python\n{code}\n```", usage=(chars // 4, len(code) // 4), chunk_chars=4000
        )


def heeded(task: Task, prompt: str) -> str:
    """The program as the model writes it with these lessons before it, right or wrong.

    A lesson about what it would write helps if it recommends what is right; any other about a name
    that it would write misleads it.
    """
    old, new = set(WORD.findall(task.old)), set(WORD.findall(task.new))
    code = task.old
    for trigger, _, remedy in LESSON.findall(prompt):
        if not words(trigger) <= old:
            continue
        if task.drifted and words(remedy) <= new:
            return task.new
        name = trigger.partition("(")[0]
        if remedy and "(" not in trigger and not name[:1].isupper():
            code = re.sub(rf"(?<!\w){re.escape(name)}\b", remedy.partition("(")[0], code)
    return code


def words(use: str) -> set[str]:
    """What a lesson names: the last name of a call, or what it is given."""
    name, _, given = use.partition("(")
    return set(WORD.findall(given)) or set(WORD.findall(name.rpartition(".")[2]))


def tasks(number: int, cases: int) -> list[Task]:
    """The tasks of a pass, in an order of its own."""
    source = random.Random(number)
    wording = ASKED[number % len(ASKED)]
    rows = [(d.old, d.new, d.english, d.other_english, d.spanish) for d in DRIFTS[:cases]]
    rows += [(code, code, english, english, spanish) for code, english, spanish in SOUND]
    found = [_task(wording, number, source, row) for row in rows]
    source.shuffle(found)
    return found


def _task(wording: str, number: int, source: random.Random, row: tuple[str, ...]) -> Task:
    old, new, english, other, spanish = row
    numbers = sorted(source.sample(range(1, 99), 5))
    name = NAMES[number % len(NAMES)]
    head = HEAD.format(numbers=numbers, day=f"20{source.randint(10, 29)}-01-05")
    question = wording.format(english=english, other=other, spanish=spanish, numbers=numbers)

    def whole(code: str) -> str:
        return re.sub(r"\bvalues\b", name, head + code)

    return Task(question, whole(old), whole(new))


@dataclass
class PassResult:
    """What a pass came to."""

    first_try: int = 0
    drifted: int = 0
    sound_first_try: int = 0
    sound: int = 0
    answered: int = 0
    tokens: list[int] = field(default_factory=list)
    advice_tokens: list[int] = field(default_factory=list)
    again: list[str] = field(default_factory=list)  # drifted tasks that failed at first


def configuration(url: str, learning: str) -> dict[str, Any]:
    """One tier of an endpoint, the playbook on or off."""
    tier = {"base_url": url, "model": "phi3:mini", "context_tokens": 16384}
    return {
        "tiers": {TIER: tier, "balanced": None, "complex": None},
        "ace": {"learning": learning},
    }


async def run_pass(opened: Platform, model: Old, number: int, cases: int) -> PassResult:
    result = PassResult()
    for position, task in enumerate(tasks(number, cases)):
        model.tasks = {task.question: task}
        request = Request(f"{number:08x}{position:024x}", task.question, tier=TIER)
        outcome_ = Outcome()
        async for event in opened.pipeline.run(request):
            outcome_.add(event)
        _count(result, task, outcome_)
    return result


def _count(result: PassResult, task: Task, found: Outcome) -> None:
    assert found.finished is not None
    first = found.finished.success and found.finished.attempts == 1
    result.answered += found.finished.success
    trial = found.trials.get(1) or RunTrial(1)
    result.advice_tokens.append(sum(advice.tokens for advice in trial.advice))
    if trial.program:
        result.tokens.append(trial.program.prompt_tokens)
    if task.drifted:
        result.drifted += 1
        result.first_try += first
        if not first:
            result.again.append(task.old.splitlines()[-1])
    else:
        result.sound += 1
        result.sound_first_try += first


async def plant(store: Store, count: int) -> list[str]:
    """Wrong lessons, as a careless import would bring them."""
    now = datetime.now(UTC)
    found = []
    for number, drift in enumerate(DRIFTS[:count]):
        old = re.search(r"np\.(\w+)", drift.old)
        if old is None:
            continue
        trigger, wrong = f"numpy.{old[1]}", f"numpy.{old[1]}_new"
        text = f"`np.{old[1]}` is gone; use `np.{old[1]}_new`. For {drift.english}."
        bullet = Bullet(stable_id("planted", number), "api", text, now, trigger=trigger,
                        remedy=(wrong,), origin="user")  # fmt: skip
        await store.playbook.add([add(bullet, drift.english)])
        found.append(bullet.id)
    return found


async def verify(opened: Platform, cases: int) -> None:
    """Run what is gone, and what replaced it, in sandboxes as they are: the drift is real."""
    failed = worked = 0
    for position, task in enumerate(tasks(0, cases)):
        for code, ids in ((task.old, "f"), (task.new, "e")):
            found = Outcome()
            request = ExecutionRequest(code, template="data_analysis")
            async for event in opened.pipeline.execute(f"{ids}{position:031x}", request):
                found.add(event)
            good = bool(found.result and found.result.success)
            failed += task.drifted and ids == "f" and not good
            worked += task.drifted and ids == "e" and good
    print(f"run in sandboxes as they are: {failed} old programs fail, {worked} new ones work")


async def entries_of(store: Store) -> list[Entry]:
    curator = Curator(store.playbook)
    await curator.refresh()
    return curator.playbook.entries()


async def arm(folder: Path, model: Old, learning: str, options: argparse.Namespace) -> list[Entry]:
    """All passes with the playbook on or off; prints the curve."""
    print(f"\nplaybook {learning}")
    print("pass  first try, drifted   sound   answered  prompt tokens  of them advice   s")
    async with platform(folder / learning, configuration(model.base_url, learning)) as opened:
        if learning == "off":
            await verify(opened, options.cases)
        planted = await plant(opened.store, options.planted) if learning == "on" else []
        passes = options.passes if learning == "on" else min(2, options.passes)
        for number in range(passes):
            start = time.perf_counter()
            got = await run_pass(opened, model, number, options.cases)
            share = f"{got.first_try}/{got.drifted} = {got.first_try / got.drifted:.1%}"
            print(
                f"{number + 1:>4}  {share:>19}  {got.sound_first_try:>2}/{got.sound}"
                f"  {got.answered:>4}/{got.drifted + got.sound}"
                f"  {statistics.fmean(got.tokens):>12.0f}"
                f"  {statistics.fmean(got.advice_tokens):>14.0f}"
                f"  {time.perf_counter() - start:>4.0f}",
                flush=True,
            )
            if learning == "on" and number:
                for line in got.again:  # what the playbook did not spare
                    print(f"        again: {line[:90]}")
        entries = await entries_of(opened.store)
        if learning == "on":
            report(entries, planted)
            lessons = [one for one in await opened.store.lessons.list() if one.repaired_code]
            await simulate(folder, lessons, options.simulated)
        return entries


def report(entries: list[Entry], planted: list[str]) -> None:
    states = Counter(entry.status for entry in entries)
    verdicts = (sum(e.helpful for e in entries), sum(e.harmful for e in entries))
    left = [e for e in entries if e.bullet.id in planted and e.status == "harmful"]
    print(f"bullets: {dict(states)}; outcomes helpful {verdicts[0]}, harmful {verdicts[1]}")
    print(f"wrong lessons planted: {len(planted)}, of which left: {len(left)}")
    for entry in entries:
        if entry.harmful:
            told = f"{entry.helpful} helpful, {entry.harmful} harmful: {entry.bullet.text[:90]}"
            print(f"  {entry.status}, {told}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--passes", type=int, default=4)
    parser.add_argument("--cases", type=int, default=len(DRIFTS))
    parser.add_argument("--planted", type=int, default=0)
    parser.add_argument("--simulated", type=int, default=1000)
    parser.add_argument("--only", choices=("on", "off"), default="")
    options = parser.parse_args()
    print(f"{min(options.cases, len(DRIFTS))} drifted tasks, {len(SOUND)} sound ones")
    with tempfile.TemporaryDirectory() as folder:
        async with Old(["unused"]) as model:
            for learning in ("off", "on"):
                if options.only in ("", learning):
                    await arm(Path(folder), model, learning, options)


if __name__ == "__main__":
    asyncio.run(main())
