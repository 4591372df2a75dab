"""How far a measurement is: a bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from capibara6.cli.terminal import messages, visible
from capibara6.evaluation.models.measuring import Progress as Notify
from capibara6.store import ModelSample

_LINE_EVERY_S: Final = 10.0


@contextmanager
def following(name: str, tasks: int) -> Iterator[Notify]:
    """Show tasks that were begun, and how many of their first programs passed."""
    seen: dict[str, bool] = {}
    known = 0
    console = messages()

    def told() -> str:
        text = f"{name}: {sum(seen.values())} passed"
        return f"{text}, {known} programs known before" if known else text

    if not console.is_terminal:
        last = time.monotonic()

        def tell(sample: ModelSample, was_known: bool) -> None:
            nonlocal known, last
            known += was_known
            seen.setdefault(sample.task, sample.passed)
            if time.monotonic() - last > _LINE_EVERY_S:
                last = time.monotonic()
                console.print(visible(f"{len(seen)}/{tasks} {told()}"), markup=False)

        yield tell
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(visible(name), total=tasks)

        def show(sample: ModelSample, was_known: bool) -> None:
            nonlocal known
            known += was_known
            seen.setdefault(sample.task, sample.passed)
            bar.update(task, completed=len(seen), description=visible(told()))

        yield show
