"""What the runs of one task used: a decaying histogram for each resource."""

from dataclasses import dataclass, field

from capibara6.store import UsageSample
from capibara6.tuning.histogram import Histogram

_MIB = 1024.0 * 1024.0


def _seconds() -> Histogram:
    return Histogram(smallest=0.01)


@dataclass(slots=True)
class TaskHistory:
    """One task of one template."""

    runs: int = 0
    memory_bytes: Histogram = field(default_factory=lambda: Histogram(smallest=4 * _MIB))
    cpu_s: Histogram = field(default_factory=_seconds)
    wall_s: Histogram = field(default_factory=_seconds)
    disk_bytes: Histogram = field(default_factory=lambda: Histogram(smallest=_MIB / 16))
    output_bytes: Histogram = field(default_factory=lambda: Histogram(smallest=64.0))

    def add(self, sample: UsageSample) -> None:
        """Take one execution; what its provider did not measure is left out."""
        self.runs += 1
        at_s = sample.at.timestamp()
        for histogram, amount in (
            (self.memory_bytes, sample.memory_peak_bytes),
            (self.cpu_s, sample.cpu_s),
            (self.wall_s, sample.wall_s),
            (self.disk_bytes, sample.disk_peak_bytes),
            (self.output_bytes, sample.output_bytes),
        ):
            if amount is not None:
                histogram.add(amount, at_s)
