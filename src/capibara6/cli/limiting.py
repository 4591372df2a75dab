"""`capibara6 limits …`: shows, pins and resets the limits that follow usage."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from rich.table import Table

from capibara6.cli import exit_codes
from capibara6.cli.stored import stored, tell
from capibara6.cli.terminal import output, print_json, visible
from capibara6.config import Settings, load_settings
from capibara6.domain.tasks import TASKS
from capibara6.errors import RequestError
from capibara6.store import LimitPin
from capibara6.tuning import Tuner
from capibara6.tuning.history import TaskHistory

_MIB: Final = 1024 * 1024
_COLUMNS: Final = (
    *("template", "task", "runs", "usual MiB", "from", "to"),
    *("granted MiB", "granted s", "why"),
)


async def show(*, as_json: bool) -> int:
    """Tell, for each task that has run, what it used and what it would be granted."""
    settings = load_settings()
    async with stored(settings) as store:
        tuner = Tuner(store.usage, store.pins, settings.templates, settings.tuning)
        await tuner.refresh()
        keys = {*tuner.histories, *((pin.template, pin.task) for pin in await store.pins.list())}
    found = [_task(tuner, template, task) for template, task in sorted(keys)]
    if as_json:
        print_json({"limits": settings.tuning.limits, "tasks": found})
        return exit_codes.OK
    console = output()
    console.print(f"limits from usage: {settings.tuning.limits}", markup=False)
    table = Table(box=None)
    for name in _COLUMNS:
        table.add_column(name)
    for item in found:
        table.add_row(*(visible(cell) for cell in _row(item)))
    console.print(table)
    return exit_codes.OK


async def pin(
    template: str, task: str, memory_mib: int | None, timeout_s: float | None, *, as_json: bool
) -> int:
    """Set a task's limits.

    Raises:
        RequestError: no such template or task, a time that is none, or nothing to set.
    """
    settings = load_settings()
    _check(settings, template, task)
    if memory_mib is None and timeout_s is None:
        raise RequestError("nothing to pin: give --memory-mib, --timeout or both")
    if timeout_s is not None and not timeout_s > 0:
        raise RequestError(f"a timeout of {timeout_s:g} s is none: give more than 0")
    memory = None if memory_mib is None else memory_mib * _MIB
    async with stored(settings) as store:
        await store.pins.put(LimitPin(template, task, memory, timeout_s, datetime.now(UTC)))
    return tell({"pinned": True}, f"pinned: {template} {task}", as_json=as_json)


async def unpin(template: str, task: str, *, as_json: bool) -> int:
    """Let a task's limits follow its usage again."""
    settings = load_settings()
    async with stored(settings) as store:
        removed = await store.pins.remove(template, task)
    text = f"unpinned: {template} {task}" if removed else f"was not pinned: {template} {task}"
    return tell({"unpinned": removed}, text, as_json=as_json)


async def reset(*, as_json: bool) -> int:
    """Forget what was used."""
    async with stored(load_settings()) as store:
        count = await store.usage.clear()
    return tell({"forgotten": count}, as_json=as_json)


def _check(settings: Settings, template: str, task: str) -> None:
    for kind, name, known in (("template", template, settings.templates), ("task", task, TASKS)):
        if name not in known:
            raise RequestError(f"no {kind} is called {name!r}; there are {', '.join(known)}")


def _task(tuner: Tuner, template: str, task: str) -> dict[str, Any]:
    advice = tuner.advise(template, task)
    history = tuner.histories.get((template, task), TaskHistory())
    used = {
        name: estimate and asdict(estimate)
        for name in ("memory_bytes", "cpu_s", "wall_s", "disk_bytes", "output_bytes")
        for estimate in (getattr(history, name).estimate(),)
    }
    granted = advice and asdict(advice)
    return {"template": template, "task": task, "runs": history.runs, "used": used} | {
        "granted": granted
    }


def _row(item: dict[str, Any]) -> list[str]:
    memory, granted = item["used"]["memory_bytes"], item["granted"]
    cells = [item["template"], item["task"], str(item["runs"])]
    bounds = ("target", "lower", "upper")
    cells += [f"{memory[name] / _MIB:.0f}" if memory else "-" for name in bounds]
    if granted is None:
        return [*cells, "-", "-", "too few runs: the template's own limits"]
    granted_mib = f"{granted['memory_bytes'] / _MIB:.0f}"
    return [*cells, granted_mib, f"{granted['timeout_s']:.0f}", granted["reason"]]
