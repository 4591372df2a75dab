"""Prometheus metrics of runs and executions. Label values are bounded, whatever programs do."""

import builtins
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest

from capibara6.domain.events import (
    Event,
    ExecutionFinished,
    ProgramWritten,
    RepairStarted,
    Routed,
    RunFinished,
    RunStarted,
)
from capibara6.domain.executions import ExecutionResult
from capibara6.domain.programs import Program
from capibara6.domain.tasks import TASKS

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_LIMIT_NAMES = frozenset({"Timeout", "OutOfMemory", "SandboxDied", "OutputLimit"})
_LABELS_MAX = 50  # different values of one label; templates and tiers may be named by users


@dataclass(slots=True)
class _Run:
    task: str = "none"
    tier: str = "none"


class MetricsListener:
    """Counts what happens; `text()` is what `/metrics` serves."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._runs_in_progress: dict[str, _Run] = {}
        self._seen: dict[str, set[str]] = {}
        self._runs = self._counter("runs", "Runs that ended", "task", "outcome")
        self._executions = self._counter("executions", "Programs that ran", "template", "outcome")
        self._failures = self._counter("execution_failures", "Programs that failed", "error")
        self._repairs = self._counter("repairs", "Failed attempts, by diagnosis", "kind")
        self._tokens = self._counter("tokens", "Tokens of models", "tier", "direction")
        self._cost = self._counter("cost_usd", "Price of models' answers", "tier")
        self._cpu = self._counter("execution_cpu_seconds", "CPU time of programs", "template")
        self._run_seconds = self._histogram("run_seconds", "Duration of runs", "tier")
        self._wall = self._histogram("execution_seconds", "Duration of programs", "template")

    async def handle(self, event: Event) -> None:
        """Count one event."""
        if isinstance(event, RunStarted):
            self._runs_in_progress[event.run_id] = _Run()
        elif isinstance(event, Routed):
            run = self._runs_in_progress.setdefault(event.run_id, _Run())
            run.task, run.tier = event.route.task, event.route.tier
        elif isinstance(event, ProgramWritten):
            self._count_program(event.program)
        elif isinstance(event, ExecutionFinished):
            self.count_execution(event.result)
        elif isinstance(event, RepairStarted):
            self._repairs.labels(self._bounded("kind", event.diagnosis.kind)).inc()
        elif isinstance(event, RunFinished):
            self._count_run(event)

    def count_execution(self, result: ExecutionResult) -> None:
        """Count a program that ran; for those that belong to no run."""
        template = self._bounded("template", result.template)
        outcome = "success" if result.success else "failure"
        self._executions.labels(template, outcome).inc()
        self._wall.labels(template).observe(result.usage.wall_s)
        if result.usage.cpu_s is not None:
            self._cpu.labels(template).inc(result.usage.cpu_s)
        if result.error is not None:
            self._failures.labels(error_label(result.error.name)).inc()

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def _count_program(self, program: Program) -> None:
        tier = self._bounded("tier", program.tier or "none")
        self._tokens.labels(tier, "in").inc(program.prompt_tokens)
        self._tokens.labels(tier, "out").inc(program.completion_tokens)
        self._cost.labels(tier).inc(program.cost_usd)

    def _count_run(self, event: RunFinished) -> None:
        run = self._runs_in_progress.pop(event.run_id, _Run())
        task = run.task if run.task in TASKS else "none"
        outcome = "success" if event.success else event.error_code or "failure"
        self._runs.labels(task, self._bounded("outcome", outcome)).inc()
        self._run_seconds.labels(self._bounded("tier", run.tier)).observe(event.wall_s)

    def _bounded(self, label: str, value: str) -> str:
        seen = self._seen.setdefault(label, set())
        if value not in seen and len(seen) >= _LABELS_MAX:
            return "other"
        seen.add(value)
        return value

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"capibara6_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(
            f"capibara6_{name}", text, labels, buckets=_SECONDS, registry=self.registry
        )


def error_label(name: str) -> str:
    """Return the name of a known error; programs may invent any number of others."""
    known = getattr(builtins, name, None)
    is_builtin = isinstance(known, type) and issubclass(known, BaseException)
    return name if is_builtin or name in _LIMIT_NAMES else "other"
