"""The playbook after many runs: how large it grows, what is in it twice, what a recall costs.

`bench/drift.py` calls it with the repairs of its real runs (`--simulated 1000`).
"""

import random
import statistics
import time
from collections import Counter
from pathlib import Path

from capibara6.ace import Curator, Recaller
from capibara6.ace.learning import PlaybookListener, Story, Trial
from capibara6.ace.playbook import Entry
from capibara6.domain.executions import ExecutionError, ExecutionResult
from capibara6.domain.playbook import Advice
from capibara6.domain.programs import Diagnosis, Program
from capibara6.domain.requests import Request, Route
from capibara6.store import Store
from capibara6.store.records import Lesson
from drift_cases import DRIFTS


async def simulate(folder: Path, lessons: list[Lesson], runs: int) -> None:
    """The playbook after many runs without sandboxes, from the repairs that real ones left."""
    store = await Store.open(f"sqlite:///{folder / 'simulated.db'}", folder / "simulated")
    try:
        curator = Curator(store.playbook)
        await _simulated_runs(curator, lessons, runs)
        entries = curator.playbook.entries()
        await _told(store, curator, entries, runs)
    finally:
        await store.close()


async def _simulated_runs(curator: Curator, lessons: list[Lesson], runs: int) -> None:
    listener, source = PlaybookListener(curator), random.Random(0)
    for number in range(runs):
        lesson = source.choice(lessons)
        error = _error(lesson)
        story = Story(Request(f"{number:032x}", f"{lesson.failed_code.splitlines()[-1]} {number}"))
        story.trials = {
            1: Trial((), Program(lesson.failed_code), ExecutionResult(False, error=error),
                     Diagnosis(lesson.kind, lesson.cause, lesson.hint)),
            2: Trial(_advice(curator, source), Program(lesson.repaired_code or ""),
                     ExecutionResult(True, stdout="1")),
        }  # fmt: skip
        story.answered = True
        bullets, changes = listener.deltas_of(f"{number:032x}", story)
        await curator.commit(changes, bullets)


def _error(lesson: Lesson) -> ExecutionError:
    last = lesson.error.strip().splitlines()[-1]
    name, _, value = last.partition(": ")
    return ExecutionError(name, value, lesson.error)


def _advice(curator: Curator, source: random.Random) -> tuple[Advice, ...]:
    entries = [entry for entry in curator.playbook.entries()[:40] if entry.status == "active"]
    chosen = source.sample(entries, min(3, len(entries)))
    return tuple(Advice(e.bullet.id, e.bullet.section, e.bullet.text, 40) for e in chosen)


async def _told(store: Store, curator: Curator, entries: list[Entry], runs: int) -> None:
    deltas = len(await store.playbook.after(0, 10**6))
    chars = sum(len(entry.bullet.text) for entry in entries)
    pairs = Counter((e.bullet.trigger, e.bullet.remedy) for e in entries)
    twice = sum(count - 1 for count in pairs.values())
    recaller = Recaller(curator, None, 600)
    route, times, tokens = Route("code", "default", "fast_response", "en", 1.0), [], []
    for drift in DRIFTS:
        start = time.perf_counter()
        question = f"Compute {drift.english} for {[1, 2, 3]}."
        chosen = recaller.chosen(Request("0" * 32, question), route)
        times.append(time.perf_counter() - start)
        tokens.append(sum(advice.tokens for advice in chosen))
    print(
        f"after {runs} simulated runs: {len(entries)} bullets ({chars} characters), "
        f"{sum(len(e.aliases) for e in entries)} merged, {twice} duplicates of a lesson, "
        f"{deltas} deltas; recall {1000 * statistics.median(times):.1f} ms median, "
        f"{max(tokens)} tokens at most of 600"
    )
