"""The listener that keeps what executions used, per template and task."""

from collections.abc import Callable
from datetime import UTC, datetime

from capibara6.domain.events import Event, ExecutionFinished, Routed, RunFinished
from capibara6.domain.executions import ExecutionResult
from capibara6.store import UsageSample, UsageSamples
from capibara6.tuning.tuner import Tuner


class UsageListener:
    """Stores one sample for each execution.

    Args:
        samples: where they are stored.
        clock: for the time of a sample.
        tuner: learns from them at once; None: nobody does.
    """

    def __init__(
        self,
        samples: UsageSamples,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        tuner: Tuner | None = None,
    ) -> None:
        self._samples = samples
        self._tuner = tuner
        self._clock = clock
        self._tasks: dict[str, str] = {}  # by run

    async def handle(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Routed):
            self._tasks[event.run_id] = event.route.task
        elif isinstance(event, ExecutionFinished):
            await self.add(event.result, self._tasks.get(event.run_id, ""), event.run_id)
        elif isinstance(event, RunFinished):
            self._tasks.pop(event.run_id, None)

    async def add(self, result: ExecutionResult, task: str = "", run_id: str | None = None) -> None:
        """Store what one execution used; for those that belong to no run."""
        usage = result.usage
        await self._samples.add(
            UsageSample(
                run_id=run_id,
                at=self._clock(),
                template=result.template,
                task=task,
                wall_s=usage.wall_s,
                cpu_s=usage.cpu_s,
                memory_peak_bytes=usage.memory_peak_bytes,
                error_name=result.error.name if result.error else "",
                disk_peak_bytes=usage.disk_peak_bytes,
                output_bytes=usage.output_bytes,
                first_error=usage.first_error,
            )
        )
        if self._tuner is not None:
            await self._tuner.refresh()
