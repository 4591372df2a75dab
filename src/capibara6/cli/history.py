"""`capibara6 executions`: what ran, or one execution or run in full."""

from rich.table import Table

from capibara6.cli import exit_codes
from capibara6.cli.narration import Narrator
from capibara6.cli.stored import stored
from capibara6.cli.terminal import environment_language, output, print_json, visible
from capibara6.config import load_settings
from capibara6.domain.events import RunStarted
from capibara6.errors import UnknownRecordError
from capibara6.outcomes import Outcome
from capibara6.store import ExecutionRecord, Store
from capibara6.texts import say
from capibara6.views import view

_SUMMARY_CHARACTERS_MAX = 60


async def executions(record_id: str | None, limit: int, *, as_json: bool) -> int:
    """List executions, or show one; an id may be an execution's or a run's."""
    settings = load_settings()
    async with stored(settings) as store:
        if record_id is None:
            await _list(store, limit, as_json=as_json)
        else:
            await _show(store, record_id, as_json=as_json)
    return exit_codes.OK


async def _list(store: Store, limit: int, *, as_json: bool) -> None:
    page = await store.executions.list(limit=limit)
    if as_json:
        print_json({"items": view(page.items), "total": page.total})
        return
    console = output()
    if not page.items:
        console.print(say("no_executions", environment_language()))
        return
    table = Table(box=None if not console.is_terminal else Table().box)
    for name in ("id", "finished", "", "template", "origin", "s", "code"):
        table.add_column(name, no_wrap=name != "code")
    for record in page.items:
        table.add_row(*_cells(record))
    console.print(table)


def _cells(record: ExecutionRecord) -> list[str]:
    first_line = next((line for line in record.code.splitlines() if line.strip()), "")
    return [
        record.id,
        record.finished_at.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
        "✓" if record.success else f"✗ {record.error.name if record.error else ''}",
        record.template,
        record.origin,
        f"{record.usage.wall_s:.2f}",
        visible(first_line)[:_SUMMARY_CHARACTERS_MAX],
    ]


async def _show(store: Store, record_id: str, *, as_json: bool) -> None:
    """Replay the run; an execution is shown by the run it belongs to."""
    run_id = await _run_of(store, record_id)
    outcome = Outcome()
    narrator = Narrator(output(), environment_language())
    async for event in store.runs.replay(run_id):
        outcome.add(event)
        if isinstance(event, RunStarted) and event.request.question and not as_json:
            output().print(visible(event.request.question), style="bold", markup=False)
        if not as_json:
            narrator.show(event)
    if as_json:
        print_json(outcome.as_json())


async def _run_of(store: Store, record_id: str) -> str:
    try:
        return (await store.executions.get(record_id)).run_id or record_id
    except UnknownRecordError:
        return (await store.runs.get(record_id)).id
