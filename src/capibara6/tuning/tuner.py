"""The limits of a task's next run: as measured, within floors and ceilings, or as somebody pinned.

The stored samples are the truth and may come from several processes; what is known here is computed
from the newest of them, in the order in which they were stored.
"""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from capibara6.config.sections import Template, Tuning
from capibara6.domain.executions import Grant
from capibara6.store import LimitPin, LimitPins, UsageSample, UsageSamples
from capibara6.tuning.history import TaskHistory
from capibara6.tuning.recommender import MemoryRecommender, Peak

LEARNT_FROM_MAX: Final = 500  # newest samples, at the start
RUNS_MIN: Final = 5  # of a task, before its limits are set by them
_AT_ONCE_MAX: Final = 20  # more are taken in a thread
_TIMEOUT_FACTOR: Final = 4.0  # of what a task's runs hardly ever take
_STEP_BYTES: Final = 16 * 1024 * 1024  # limits are multiples of it
_CHANGE: Final = 0.1  # of the last limit, to be worth a line in the log

_log = structlog.get_logger(__name__)
Key = tuple[str, str]  # template, task


@dataclass(frozen=True, slots=True)
class Advice:
    """What would be granted to a task's next run, and why."""

    template: str
    task: str
    runs: int
    memory_bytes: int
    timeout_s: float
    pinned: bool
    reason: str


class Tuner:
    """Follows the stored samples.

    Args:
        samples: what executions used.
        pins: limits that somebody has set.
        templates: the presets: their own limits are the ceilings.
        tuning: the floors, and whether limits follow usage at all.
    """

    def __init__(
        self,
        samples: UsageSamples,
        pins: LimitPins,
        templates: Mapping[str, Template],
        tuning: Tuning,
    ) -> None:
        self._samples = samples
        self._pins = pins
        self._templates = templates
        self._tuning = tuning
        self._forget()

    def _forget(self) -> None:
        self._seq = 0
        self._memory = MemoryRecommender()
        self.histories: dict[Key, TaskHistory] = {}
        self._pinned: dict[Key, LimitPin] = {}
        self._granted: dict[Key, int] = {}

    async def refresh(self) -> None:
        """Learn from what was stored since; start anew when it was all forgotten."""
        newest = await self._samples.newest()
        if newest < self._seq:
            self._forget()
        self._pinned = {(pin.template, pin.task): pin for pin in await self._pins.list()}
        found = await self._samples.after(self._seq, LEARNT_FROM_MAX)
        if not found:
            return
        self._seq = found[-1][0]
        samples = [sample for _, sample in found]
        if len(samples) > _AT_ONCE_MAX:
            await asyncio.to_thread(self._learn, samples)
        else:
            self._learn(samples)

    def grant(self, template: str, task: str) -> Grant | None:
        """The limits of the task's next run; None: the template's own."""
        advice = self.advise(template, task)
        if advice is None or (self._tuning.limits == "off" and not advice.pinned):
            return None
        self._note(advice)
        preset = self._templates[template]
        memory = advice.memory_bytes if advice.memory_bytes < preset.memory_bytes else None
        timeout_s = advice.timeout_s if advice.timeout_s < preset.timeout_s else None
        return Grant(memory, timeout_s, advice.reason)

    def advise(self, template: str, task: str) -> Advice | None:
        """What is known of a task's limits; None: too little."""
        preset, key = self._templates.get(template), (template, task)
        history, pin = self.histories.get(key), self._pinned.get(key)
        if preset is None or not task:
            return None
        if pin is not None:
            memory = min(pin.memory_bytes or preset.memory_bytes, preset.memory_bytes)
            timeout_s = min(pin.timeout_s or preset.timeout_s, preset.timeout_s)
            runs = history.runs if history else 0
            return Advice(template, task, runs, memory, timeout_s, pinned=True, reason="pinned")
        if history is None or history.runs < RUNS_MIN:
            return None
        return self._measured(key, history, preset)

    def _measured(self, key: Key, history: TaskHistory, preset: Template) -> Advice:
        recommended = self._memory.recommend("/".join(key), preset.memory_bytes)
        floor = min(self._tuning.memory_floor_mib * 1024 * 1024, preset.memory_bytes)
        stepped = math.ceil(recommended.limit_bytes / _STEP_BYTES) * _STEP_BYTES
        memory = min(preset.memory_bytes, max(floor, stepped))
        wall = history.wall_s.estimate()
        timeout_s = preset.timeout_s
        if wall is not None:
            usual = _TIMEOUT_FACTOR * max(wall.target, history.wall_s.percentile(1.0))
            timeout_s = min(timeout_s, max(self._tuning.timeout_floor_s, usual))
        reason = (
            f"{history.runs} runs of {key[1]}: usually {recommended.expected_bytes >> 20} MiB, "
            f"{recommended.kill_probability:.2%} likely to need more than {memory >> 20} MiB"
        )
        return Advice(*key, history.runs, memory, timeout_s, pinned=False, reason=reason)

    def _note(self, advice: Advice) -> None:
        key = (advice.template, advice.task)
        before = self._granted.get(key)
        if before is None or abs(advice.memory_bytes - before) > _CHANGE * before:
            _log.info(
                "limit_changed",
                template=advice.template,
                task=advice.task,
                before_bytes=before,
                memory_bytes=advice.memory_bytes,
                timeout_s=advice.timeout_s,
                reason=advice.reason,
            )
            self._granted[key] = advice.memory_bytes

    def _learn(self, samples: list[UsageSample]) -> None:
        for sample in samples:
            self._take(sample)

    def _take(self, sample: UsageSample) -> None:
        preset = self._templates.get(sample.template)
        if preset is None or not sample.task:
            return
        key = (sample.template, sample.task)
        self.histories.setdefault(key, TaskHistory()).add(sample)
        peak = sample.memory_peak_bytes
        if sample.error_name == "OutOfMemory":
            peak = preset.memory_bytes  # it needs more than it may ever have
        if peak is not None:
            name = "/".join(key)
            recommended = self._memory.recommend(name, preset.memory_bytes)
            killed = "OutOfMemory" in (sample.first_error, sample.error_name)
            seen = Peak(peak, preset.memory_bytes, sample.wall_s, killed)
            self._memory.learn(name, seen, recommended)
