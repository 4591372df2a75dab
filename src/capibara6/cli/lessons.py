"""`capibara6 playbook …`: lists, shows, moves and tends what was learnt from runs."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from capibara6.ace import Curator
from capibara6.ace.deltas import delta_of, line_of, merge, remove, update
from capibara6.ace.playbook import Entry
from capibara6.cli import exit_codes
from capibara6.cli.stored import stored, tell, write_lines
from capibara6.cli.terminal import output, print_json, visible
from capibara6.config import load_settings
from capibara6.domain.playbook import Delta
from capibara6.errors import UnknownRecordError
from capibara6.evaluation.records import LineError, read_lines
from capibara6.views import view

_BATCH = 2_000
_TEXT_CHARS_MAX = 90


async def list_all(*, everything: bool, as_json: bool) -> int:
    """List the entries, most valuable first."""
    async with _curator() as curator:
        entries = curator.playbook.entries()
    shown = [entry for entry in entries if everything or entry.status == "active"]
    if as_json:
        print_json({"learning": load_settings().ace.learning, "bullets": [_as(e) for e in shown]})
        return exit_codes.OK
    table = Table(box=None)
    for name in ("id", "section", "value", "helpful", "harmful", "status", "text"):
        table.add_column(name)
    for entry in shown:
        counts = (f"{entry.value:.2f}", str(entry.helpful), str(entry.harmful))
        text = visible(entry.bullet.text)[:_TEXT_CHARS_MAX]
        table.add_row(entry.bullet.id[:8], entry.bullet.section, *counts, entry.status, text)
    output().print(table)
    return exit_codes.OK


async def show(bullet: str, *, as_json: bool) -> int:
    """Show one entry in full."""
    async with _curator() as curator:
        entry = _found(curator, bullet)
    if as_json:
        print_json(_as(entry))
        return exit_codes.OK
    for name, value in _as(entry).items():
        if value not in ("", None, [], {}):
            output().print(visible(f"{name}: {value}"), markup=False, soft_wrap=True)
    return exit_codes.OK


async def export(file: Path, *, as_json: bool) -> int:
    """Write one line a change."""
    changes: list[Delta] = []
    async with stored(load_settings()) as store:
        seq = 0
        while found := await store.playbook.after(seq, _BATCH):
            seq = found[-1][0]
            changes.extend(change for _, change in found)
    await write_lines(file, map(line_of, changes))
    return tell({"exported": len(changes)}, as_json=as_json)


async def import_(file: Path, *, as_json: bool) -> int:
    """Add what is not known yet."""
    changes = await asyncio.to_thread(read_lines, file, _change)
    async with stored(load_settings()) as store:
        new = await store.playbook.add(changes)
    return tell({"imported": new, "known": len(changes) - new}, as_json=as_json)


async def merge_two(bullet: str, other: str, *, as_json: bool) -> int:
    """Join two bullets."""
    async with _curator() as curator:
        one, two = _found(curator, bullet), _found(curator, other)
        joined = await curator.commit([merge(one.bullet.id, two.bullet.id, _now())])
    return tell({"merged": joined}, as_json=as_json)


async def prune(keep: int, *, as_json: bool) -> int:
    """Remove what is harmful, and the least valuable beyond `keep`."""
    async with _curator() as curator:
        entries = curator.playbook.entries()
        harmful = [entry for entry in entries if entry.status == "harmful"]
        beyond = [entry for entry in entries if entry.status == "active"][keep:]
        changes = [
            remove(name, _now(), reason)
            for found, reason in ((harmful, "harmful"), (beyond, "of least value"))
            for entry in found
            for name in (entry.bullet.id, *entry.aliases)
        ]
        await curator.commit(changes)
    return tell({"harmful": len(harmful), "of_least_value": len(beyond)}, as_json=as_json)


async def disable(bullet: str, *, undo: bool, as_json: bool) -> int:
    """Keep a bullet and its duplicates out of prompts, or take them in again."""
    async with _curator() as curator:
        entry = _found(curator, bullet)
        ids = (entry.bullet.id, *entry.aliases)
        await curator.commit([update(name, _now(), disabled=not undo) for name in ids])
        status = _found(curator, entry.bullet.id).status
    if as_json:
        print_json({"id": entry.bullet.id, "status": status})
    else:
        output().print(f"{entry.bullet.id[:8]}: {status}", markup=False)
    return exit_codes.OK


async def reset(*, as_json: bool) -> int:
    """Forget everything."""
    async with stored(load_settings()) as store:
        count = await store.playbook.clear()
    return tell({"forgotten": count}, as_json=as_json)


@asynccontextmanager
async def _curator() -> AsyncIterator[Curator]:
    async with stored(load_settings()) as store:
        curator = Curator(store.playbook)
        await curator.refresh()
        yield curator


def _found(curator: Curator, beginning: str) -> Entry:
    """The entry whose id, or that of a duplicate, begins so.

    Raises:
        UnknownRecordError: there is none, or more than one.
    """
    found = [
        entry
        for entry in curator.playbook.entries()
        if any(name.startswith(beginning) for name in (entry.bullet.id, *entry.aliases))
    ]
    if len(found) != 1 or not beginning:
        raise UnknownRecordError("one bullet", beginning)
    return found[0]


def _as(entry: Entry) -> dict[str, Any]:
    bullet: dict[str, Any] = view(entry.bullet)
    known: dict[str, Any] = view(entry)
    del known["bullet"]
    return {**bullet, **known, "value": round(entry.value, 4)}


def _change(value: Mapping[str, Any]) -> Delta:
    try:
        return delta_of(value)
    except ValueError as cause:
        raise LineError(str(cause)) from None


def _now() -> datetime:
    return datetime.now(UTC)
