"""`doctor --attack`: runs the set against a server of its own, or any other, and reports."""

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capibara6_sandbox.attack import report
from capibara6_sandbox.attack.decoys import Decoys
from capibara6_sandbox.attack.programs import Program, programs
from capibara6_sandbox.attack.provider import (
    Notify,
    OwnServer,
    Provider,
    ProviderError,
    provider_of_environment,
)
from capibara6_sandbox.attack.runner import Attack
from capibara6_sandbox.attack.settings import Settings
from capibara6_sandbox.attack.verdicts import Verdict

ALL_S_MAX: Final = 180.0
_BREACHED, _CONTAINED, _BAD_INPUT, _NO_PROVIDER = 1, 0, 2, 3


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks for."""

    data: Path  # where built templates lie
    template: str = "base"
    own_server: bool = True
    only: tuple[str, ...] = ()  # ids of programs; none: all
    serve_arguments: tuple[str, ...] = ()
    isolation: str = ""  # a container runtime; "" for none
    seconds_max: float = ALL_S_MAX
    grace_s: float = 5.0
    json: bool = False


def attack(wishes: Wishes) -> int:
    """Run the programs and print the table; return the exit status.

    0: all were contained; 1: one was not; 2: no such program; 3: nothing to attack.
    """
    chosen = [p for p in programs() if not wishes.only or p.id in wishes.only]
    if unknown := set(wishes.only) - {program.id for program in chosen}:
        print(f"No such hostile program: {', '.join(sorted(unknown))}.", file=sys.stderr)  # noqa: T201
        return _BAD_INPUT
    try:
        return asyncio.run(_attack(wishes, chosen))
    except ProviderError as cause:
        print(cause, file=sys.stderr)  # noqa: T201
        return _NO_PROVIDER


async def _attack(wishes: Wishes, chosen: Sequence[Program]) -> int:
    began_s = time.monotonic()
    verdicts: list[Verdict] = []
    async with _scene(wishes, chosen) as ready:
        async for verdict in run_all(ready, chosen, wishes.seconds_max):
            verdicts.append(verdict)
            if not wishes.json:
                print(report.as_line(verdict), flush=True)  # noqa: T201
        degraded = ready.provider.degraded
    seconds = time.monotonic() - began_s
    if wishes.json:
        print(report.as_json(verdicts, seconds, degraded))  # noqa: T201
    else:
        for lack in degraded:
            print(f"degraded: {lack}")  # noqa: T201
        print(report.summary(verdicts, seconds))  # noqa: T201
    return _CONTAINED if all(v.contained or v.skipped for v in verdicts) else _BREACHED


async def run_all(
    attack: Attack, chosen: Sequence[Program], seconds_max: float
) -> AsyncIterator[Verdict]:
    """Run programs one after another; those that the time does not reach are skipped by name."""
    deadline_s = time.monotonic() + seconds_max
    for program in chosen:
        if time.monotonic() > deadline_s:
            yield Verdict(program, (), skipped=f"{seconds_max:.0f} s were over")
        else:
            yield await attack.run(program)


@contextlib.asynccontextmanager
async def _scene(wishes: Wishes, chosen: Sequence[Program]) -> AsyncIterator[Attack]:
    with tempfile.TemporaryDirectory(prefix="c6-attack-") as name:
        folder = _opened(name)
        notify = _quiet if wishes.json else _progress
        async with contextlib.AsyncExitStack() as stack:
            provider = await _provider(wishes, folder, stack, notify)
            decoys = Decoys(folder)
            stack.callback(decoys.close)
            settings = Settings(tuple(wishes.data.glob("templates/*/rootfs/opt/venv/bin/python*")))
            attack = Attack(provider, wishes.template, decoys, settings, chosen, wishes.grace_s)
            yield await stack.enter_async_context(attack.prepared())


def _opened(name: str) -> Path:
    """Let everybody into a folder: what keeps programs out shall be their walls, and no mode."""
    folder = Path(name)
    folder.chmod(0o755)
    return folder


async def _provider(
    wishes: Wishes, folder: Path, stack: contextlib.AsyncExitStack, notify: Notify
) -> Provider:
    if not wishes.own_server:
        return provider_of_environment()
    server = OwnServer(
        wishes.data, folder / "server", notify, wishes.serve_arguments, wishes.isolation
    )
    return await stack.enter_async_context(server)


def _quiet(_: str) -> None:
    """Nobody watches."""


def _progress(line: str) -> None:
    if line.startswith("{") and sys.stderr.isatty():
        print(f"\r{line[:100]:<100}", end="\r", file=sys.stderr, flush=True)  # noqa: T201
