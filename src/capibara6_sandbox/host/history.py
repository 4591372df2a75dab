"""What sandboxes have used over time: samples of an interval, bounded, in this server's memory.

The newest hour is kept as it was measured; what is older, as means, for a week.
"""

import asyncio
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, Protocol

import structlog

INTERVAL_S: Final = 5  # as in E2B's cloud
RECENT_MAX: Final = 720  # samples: an hour
MEAN_OF: Final = 60  # samples: five minutes
OLDER_MAX: Final = 2_016  # means: a week
_AT_ONCE: Final = 4  # sandboxes that are measured before others get their turn
_FORM: Final = struct.Struct("<dfQQQ")

_log = structlog.get_logger()


class Sample(NamedTuple):
    """What a sandbox used at a moment."""

    at_s: float  # since 1970
    cpu_share: float  # of one processor's time since the sample before
    memory_bytes: int
    cache_bytes: int
    disk_bytes: int


class _Ring:
    """The newest samples, packed: a few hundred sandboxes have many of them."""

    def __init__(self, most: int) -> None:
        self._bytes_max = most * _FORM.size
        self._data = bytearray()

    def add(self, sample: Sample) -> None:
        self._data += _FORM.pack(*sample)
        if len(self._data) > self._bytes_max:
            del self._data[: _FORM.size]

    def fit(self) -> None:
        """Hold no more memory than the samples need; growing leaves some to spare."""
        self._data = bytearray(bytes(self._data))

    @property
    def size_bytes(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Sample]:
        return (Sample(*values) for values in _FORM.iter_unpack(self._data))


class History:
    """What one sandbox has used."""

    def __init__(self) -> None:
        self._recent = _Ring(RECENT_MAX)
        self._older = _Ring(OLDER_MAX)
        self._open: list[Sample] = []  # of the next mean
        self._before: tuple[float, float] | None = None  # moment and processor time, both s
        self._share = 0.0

    def share(self, at_s: float, cpu_s: float) -> float | None:
        """Return the share of a processor used since the last sample; None if there is none."""
        if self._before is None:
            return None
        passed_s = at_s - self._before[0]
        if passed_s < INTERVAL_S / 10:  # too short to measure anything
            return self._share
        return max(0.0, cpu_s - self._before[1]) / passed_s

    def add(self, sample: Sample, cpu_s: float) -> None:
        """Keep a sample, taken when the sandbox had used `cpu_s` of processor time."""
        self._before, self._share = (sample.at_s, cpu_s), sample.cpu_share
        self._recent.add(sample)
        self._open.append(sample)
        if len(self._open) == MEAN_OF:
            self._older.add(_mean(self._open))
            self._open.clear()

    def rest(self) -> None:
        """Take the time until the next sample for no part of the sandbox's: it is paused."""
        self._before = None

    def finish(self) -> None:
        """Give up what only more samples would need: there will be none."""
        self._open = []
        self._recent.fit()
        self._older.fit()

    @property
    def size_bytes(self) -> int:
        """What it holds in memory, once it is finished."""
        return self._recent.size_bytes + self._older.size_bytes

    def select(self, start_s: float, end_s: float) -> list[Sample]:
        """Return the samples from `start_s` to `end_s`, oldest first."""
        recent = list(self._recent)
        begin_s = recent[0].at_s if recent else end_s
        older = [sample for sample in self._older if sample.at_s < begin_s]
        return [sample for sample in (*older, *recent) if start_s <= sample.at_s <= end_s]


def _mean(samples: list[Sample]) -> Sample:
    count = len(samples)
    return Sample(
        at_s=samples[-1].at_s,
        cpu_share=sum(sample.cpu_share for sample in samples) / count,
        memory_bytes=sum(sample.memory_bytes for sample in samples) // count,
        cache_bytes=sum(sample.cache_bytes for sample in samples) // count,
        disk_bytes=sum(sample.disk_bytes for sample in samples) // count,
    )


class Measured(Protocol):
    """What can be sampled."""

    def sample(self, at_s: float) -> None:
        """Add a sample of now to its history."""


class Sampler:
    """Samples everything in one task, every `INTERVAL_S`.

    Args:
        found: returns what is to be sampled.
    """

    def __init__(self, found: Callable[[], Iterable[Measured]]) -> None:
        self._found = found

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            now_s = time.time()
            await asyncio.sleep(INTERVAL_S - now_s % INTERVAL_S)
            for number, measured in enumerate(self._found()):
                try:
                    measured.sample(time.time())
                except OSError as cause:  # of one that is just ending; the others go on
                    _log.warning("sample_failed", cause=str(cause))
                if number % _AT_ONCE == _AT_ONCE - 1:
                    await asyncio.sleep(0)
