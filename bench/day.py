"""A day in the life: 200 requests in Spanish and English, with the learners on and off.

    python bench/day.py [--requests 200] [--only on] [--quality 0.9]

Three scripted models behind a real HTTP endpoint: the cheap one writes easy programs right, the
middle one those of middle difficulty too, the dear one all; a wrong program fails visibly three
times in five, and otherwise gives a wrong answer. All write calls as they were years ago, unless a
lesson in the prompt says better. Every program runs in a sandbox. The user knows what is right and
says it of one answer in three. Prints, and asserts nothing.
"""

import argparse
import asyncio
import hashlib
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from capibara6.domain.requests import Request
from capibara6.feedback import take_verdict
from capibara6.intake import question_request
from capibara6.main import Platform, profile
from capibara6.outcomes import Outcome
from drift import Task, heeded
from drift import tasks as drifted_tasks
from scripted_platform import platform

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from scripted_model import Reply, ScriptedModel

TIERS = {"fast_response": "phi3:mini", "balanced": "mistral", "complex": "gpt-oss:20b"}
PRICES = {"fast_response": 0.2, "balanced": 2.0, "complex": 20.0}  # a million tokens
SKILL = {"phi3:mini": (1.0, 0.25, 0.0), "mistral": (1.0, 1.0, 0.25), "gpt-oss:20b": (1.0, 1.0, 1.0)}
VISIBLE = 0.6
VERDICTS = 3  # one answer in so many is judged
QUARTERS = 4
DATA = Path(__file__).parents[1] / "examples/birdstrikes/birdstrikes.csv"
TABLE = (
    "Which species cause the highest total cost?",
    "¿Qué especies causan el mayor coste total?",
    "How many rows are there by phase of flight?",
    "Describe los datos",
    "Plot the number of strikes by time of day",
    "Resume la tabla por tamaño del animal",
)
TALK = ("Hello, how are you?", "Hola, ¿qué tal?", "Thank you very much!", "¡Muchas gracias!")
PRIMES = (
    "n, k = 1, 0\nwhile k < {n}:\n    n += 1\n"
    "    k += all(n % d for d in range(2, int(n**0.5) + 1))\n"
)
KNAPSACK = (
    "best = [0] * ({n} + 1)\nfor weight, worth in {items}:\n"
    "    for room in range({n}, weight - 1, -1):\n"
    "        best[room] = max(best[room], best[room - weight] + worth)\n"
)


@dataclass(frozen=True)
class Errand:
    """A request, and what is right."""

    question: str
    level: int = 0  # 0 easy, 1 middle, 2 hard
    program: str = ""  # that answers it; "" where no model is needed
    answer: str = ""  # that it prints
    with_data: bool = False
    drift: Task | None = None


@dataclass
class Models(ScriptedModel):
    """Three models of one endpoint, told apart by name."""

    errand: Errand | None = None

    def _next_reply(self) -> Reply:
        body = self.requests[-1]
        assert self.errand is not None
        code = self.written(body["model"], body["messages"], self.errand)
        chars = sum(len(message["content"]) for message in body["messages"])
        usage = (chars // 4, len(code) // 4)
        return Reply(f"```python\n{code}\n```", usage=usage, chunk_chars=4000)

    def written(self, model: str, messages: list[dict[str, str]], errand: Errand) -> str:
        """The program that a model writes."""
        if errand.drift is not None:
            mended = any(message["role"] == "assistant" for message in messages)
            return errand.drift.new if mended else heeded(errand.drift, messages[0]["content"])
        if not errand.program:
            return "print('I can only guess.')"
        if chance(model, errand.question) < SKILL[model][errand.level]:
            return errand.program
        if chance(model, errand.question, "visible") < VISIBLE:
            return f"{errand.program}\nprint([][{len(messages)}])"
        return "print(-1)"


def chance(*of: str) -> float:
    """A number from 0 to 1 that is the same whenever it is asked for."""
    return int.from_bytes(hashlib.sha256("/".join(of).encode()).digest()[:6]) / 2**48


def errands(count: int) -> list[Errand]:
    """The day's requests, in an order of their own."""
    source = random.Random(7)
    drifts = [task for task in drifted_tasks(3, 40) + drifted_tasks(2, 40) if task.drifted]
    found = [
        *(Errand(TABLE[n % len(TABLE)], with_data=True) for n in range(count * 25 // 100)),
        *(Errand(TALK[n % len(TALK)]) for n in range(count * 5 // 100)),
        *(Errand(one.question, drift=one) for one in drifts[: count * 25 // 100]),
    ]
    found += [calculation(n, source) for n in range(count - len(found))]
    source.shuffle(found)
    return found


def calculation(number: int, source: random.Random) -> Errand:
    """A calculation of one of three levels, in one of two languages."""
    level, spanish = number % 3, number % 2
    if level == 0:
        values = source.sample(range(1000), 6)
        text = "Calcula la suma de {}." if spanish else "Compute the sum of {}."
        return Errand(text.format(values), 0, f"print(sum({values}))", str(sum(values)))
    if level == 1:
        n = source.randint(20, 400)
        text = "Escribe un programa para el primo número {}." if spanish else (
            "Write a program that finds prime number {}."
        )  # fmt: skip
        program = PRIMES.format(n=n) + "print(n)"
        return Errand(text.format(n), 1, program, printed(program))
    items = [(source.randint(2, 20), source.randint(1, 50)) for _ in range(8)]
    n = source.randint(25, 60)
    text = (
        "Resuelve con programación dinámica la mochila de capacidad {} para los pares {}."
        if spanish
        else "Solve by dynamic programming the knapsack of capacity {} for the pairs {}."
    )
    program = KNAPSACK.format(n=n, items=items) + f"print(best[{n}])"
    return Errand(text.format(n, items), 2, program, printed(program))


def printed(program: str) -> str:
    """What one of the programs above prints."""
    lines: list[str] = []
    exec(program, {"print": lambda value: lines.append(str(value))})
    return lines[-1]


@dataclass
class Hours:
    """What a part of the day came to."""

    right: int = 0
    wrong: int = 0  # answered, but not with what is right
    failed: int = 0
    cost: float = 0.0
    attempts: int = 0
    seconds: list[float] = field(default_factory=list)
    tiers: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    errors: Counter[str] = field(default_factory=Counter)


def configuration(url: str, learning: str, quality: float) -> dict[str, Any]:
    """Three tiers of an endpoint, the learners on or off."""
    tiers = {
        name: {
            "base_url": url,
            "model": model,
            "context_tokens": 16384,
            "usd_per_million_tokens_in": PRICES[name],
            "usd_per_million_tokens_out": PRICES[name],
        }
        for name, model in TIERS.items()
    }
    return {
        "tiers": tiers,
        "router": {"learning": learning, "quality": quality},
        "ace": {"learning": learning},
        "tuning": {"limits": learning},
    }


async def live(opened: Platform, model: Models, day: list[Errand], learning: str) -> list[Hours]:
    """One day."""
    hours = [Hours() for _ in range(QUARTERS)]
    every = max(1, len(day) // 10)
    content = await asyncio.to_thread(DATA.read_bytes)
    for number, errand in enumerate(day):
        part = hours[number * QUARTERS // len(day)]
        model.errand = errand
        files = {DATA.name: content} if errand.with_data else {}
        request: Request = question_request(errand.question, files, opened.settings, profile)
        found, started = Outcome(), time.perf_counter()
        async for event in opened.pipeline.run(request):
            found.add(event)
        part.seconds.append(time.perf_counter() - started)
        right = count(part, errand, found, opened)
        asked = learning == "on" and number % VERDICTS == 0 and not errand.with_data
        if asked and found.finished and found.finished.success and found.trials:
            await take_verdict(opened.store, request.id, good=right)
        if (number + 1) % every == 0:
            progress = total(hours)
            told = f"learners {learning}: {number + 1} of {len(day)}, {progress.right} right"
            print(f"{told}, {progress.cost:.4f} USD", file=sys.stderr, flush=True)
    return hours


def count(part: Hours, errand: Errand, found: Outcome, opened: Platform) -> bool:
    """Add a run to its part of the day; returns whether its answer is right."""
    assert found.finished is not None
    finished = found.finished
    # Of drifted calls and tables what counts is that a program gave an answer.
    right = finished.success and (not errand.answer or errand.answer in finished.answer.split())
    part.right += right
    part.wrong += finished.success and not right
    part.failed += not finished.success
    if not finished.success:
        part.errors[finished.error_code] += 1
    part.attempts += len(found.trials)
    for trial in found.trials.values():
        if trial.program is not None:
            part.cost += trial.program.cost_usd
            part.tiers[trial.program.tier] += 1
        if trial.result is not None and trial.result.template in opened.settings.templates:
            part.repeated += bool(trial.result.usage.first_error)
    return right


def show(learning: str, hours: list[Hours]) -> None:
    print(f"\nlearners {learning}")
    print("part  right  wrong  failed  attempts  USD      s median  programs by tier")
    for number, part in enumerate([*hours, total(hours)], 1):
        name = "all" if number > len(hours) else str(number)
        tiers = ", ".join(f"{tier} {n}" for tier, n in sorted(part.tiers.items()))
        print(
            f"{name:>4}  {part.right:>5}  {part.wrong:>5}  {part.failed:>6}  {part.attempts:>8}"
            f"  {part.cost:.5f}  {statistics.median(part.seconds):>8.2f}  {tiers}"
        )
    whole = total(hours)
    print(f"why runs failed: {dict(whole.errors)}; repeated with more memory: {whole.repeated}")


def total(hours: list[Hours]) -> Hours:
    whole = Hours()
    whole.errors = sum((part.errors for part in hours), Counter())
    for part in hours:
        whole.right += part.right
        whole.wrong += part.wrong
        whole.failed += part.failed
        whole.attempts += part.attempts
        whole.cost += part.cost
        whole.seconds += part.seconds
        whole.tiers += part.tiers
        whole.repeated += part.repeated
    return whole


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--only", choices=("on", "off"), default="")
    parser.add_argument("--quality", type=float, default=0.9, help="the router's dial")
    options = parser.parse_args()
    day = errands(options.requests)
    with tempfile.TemporaryDirectory() as folder:
        async with Models(["unused"]) as model:
            for learning in ("off", "on"):
                if options.only in ("", learning):
                    home = Path(folder) / learning
                    config = configuration(model.base_url, learning, options.quality)
                    async with platform(home, config) as opened:
                        hours = await live(opened, model, day, learning)
                    show(learning, hours)


if __name__ == "__main__":
    asyncio.run(main())
