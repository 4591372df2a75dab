"""How long a route takes, and what the learner costs at the start of a platform.

    python bench/routing.py [FILE.jsonl]

FILE holds lines with a "prompt"; without it, questions are made up. Prints, and asserts nothing.
"""

import json
import random
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from capibara6.domain.requests import Request
from capibara6.routing import Learner, LearningRouter, RuleRouter
from capibara6.routing.learner import LEARNT_FROM_MAX
from capibara6.store import TierOutcome, TierOutcomes

PRICES = {"fast_response": 0.3, "balanced": 2.0, "complex": 20.0}
TIERS = ("recipe", *PRICES)
ROUTES = 2000
WORDS = ("sales", "region", "month", "draw", "predict", "mean", "column", "list", "write", "sort")


def questions() -> list[str]:
    if len(sys.argv) > 1:
        lines = Path(sys.argv[1]).read_bytes().splitlines()
        return [json.loads(line)["prompt"] for line in lines][:ROUTES]
    draw = random.Random(0)
    return [" ".join(draw.choices(WORDS, k=draw.randint(5, 40))) for _ in range(ROUTES)]


def told(name: str, times_s: Sequence[float]) -> None:
    ordered = sorted(times_s)
    p99 = ordered[int(0.99 * (len(ordered) - 1))]
    print(f"{name:<28} median {1000 * statistics.median(ordered):.2f} ms, p99 {1000 * p99:.2f} ms")


def timed(router: RuleRouter | LearningRouter, asked: Sequence[str]) -> list[float]:
    times = []
    for number, question in enumerate(asked):
        request = Request(f"{number:032x}", question)
        start = time.perf_counter()
        router.route(request, TIERS)
        times.append(time.perf_counter() - start)
    return times


def main() -> None:
    asked = questions()
    at = datetime.now(UTC)
    outcomes = [
        TierOutcome(f"{n:032x}", at, asked[n % len(asked)], "code", [*PRICES][n % 3], n % 2, 0.0)
        for n in range(LEARNT_FROM_MAX)
    ]
    learner = Learner(cast(TierOutcomes, None), PRICES)
    start = time.perf_counter()
    learner.learn(outcomes)
    taken_s = time.perf_counter() - start
    characters = statistics.median(map(len, asked))
    print(f"{len(asked)} questions, median {characters:.0f} characters")
    told("route by rules", timed(RuleRouter(), asked))
    told(
        "route by what was learnt", timed(LearningRouter(RuleRouter(), learner, PRICES, 0.9), asked)
    )
    print(f"learning from {len(outcomes)} outcomes: {taken_s:.2f} s")


if __name__ == "__main__":
    main()
