"""Behaviours of files."""

import asyncio
from typing import Any, Final

from e2b.exceptions import NotFoundException

from capibara6.selfcheck.probe import Behaviour, DiffersError, Probe, expect, expect_true

_FOLDER: Final = "/home/user/self-check"
_EVENT_S_MAX: Final = 10.0


async def _round_trip(probe: Probe) -> None:
    files = (await probe.sandbox()).files
    await files.write(f"{_FOLDER}/text", "héllo\n")
    expect(await files.read(f"{_FOLDER}/text"), "héllo\n", "a text")
    data = bytes(range(256)) * 100
    await files.write(f"{_FOLDER}/data", data)
    read = await files.read(f"{_FOLDER}/data", format="bytes")
    expect(bytes(read), data, "bytes")


async def _folders(probe: Probe) -> None:
    files = (await probe.sandbox()).files
    await files.make_dir(f"{_FOLDER}/a/b")
    await files.write(f"{_FOLDER}/a/one", "1")
    await files.rename(f"{_FOLDER}/a/one", f"{_FOLDER}/a/two")
    found = sorted(entry.name for entry in await files.list(f"{_FOLDER}/a"))
    expect(found, ["b", "two"], "a folder's entries")
    await files.remove(f"{_FOLDER}/a")
    expect(await files.exists(f"{_FOLDER}/a"), False, "a removed folder exists")


async def _missing(probe: Probe) -> None:
    try:
        await (await probe.sandbox()).files.read(f"{_FOLDER}/missing")
    except NotFoundException:
        return
    raise DiffersError("a missing file can be read")


async def _seen_by_programs(probe: Probe) -> None:
    sandbox = await probe.sandbox()
    await sandbox.files.write(f"{_FOLDER}/seen", "x")
    seen = await sandbox.commands.run(f"cat {_FOLDER}/seen && test -O {_FOLDER}/seen && echo own")
    expect(seen.stdout, "xown\n", "its contents and owner")


async def _listed_by_programs(probe: Probe) -> None:
    sandbox = await probe.sandbox()
    await sandbox.files.write(f"{_FOLDER}/listed/one", "x")
    seen = await sandbox.commands.run(f"ls {_FOLDER}/listed; stat -c %s {_FOLDER}/listed/one")
    expect(seen.stdout, "one\n1\n", "what `ls` and `stat` say")


async def _watch(probe: Probe) -> None:
    sandbox = await probe.sandbox()
    await sandbox.files.make_dir(f"{_FOLDER}/watched")
    events: asyncio.Queue[Any] = asyncio.Queue()
    handle = await sandbox.files.watch_dir(f"{_FOLDER}/watched", on_event=events.put_nowait)
    try:
        await sandbox.files.write(f"{_FOLDER}/watched/new", "x")
        event = await asyncio.wait_for(events.get(), _EVENT_S_MAX)
    except TimeoutError:
        raise DiffersError(f"no event of a new file in {_EVENT_S_MAX:.0f} s") from None
    finally:
        await handle.stop()  # type: ignore[no-untyped-call]
    expect_true(event.name == "new", f"an event of {event.name!r}, not of 'new'")


BEHAVIOURS: Final = (
    Behaviour("files come back as they were", _round_trip),
    Behaviour("folders", _folders),
    Behaviour("a missing file", _missing),
    Behaviour("programs see files", _seen_by_programs),
    Behaviour("ls and stat", _listed_by_programs),
    Behaviour("watching a folder", _watch),
)
