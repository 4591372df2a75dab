"""Lets a few clients do everything at once for half an hour, and checks that nothing is left of it.

    .venv/bin/python bench/load.py [--clients 8] [--seconds 1800]

Each client goes on and on through the published SDK: it creates a sandbox, does some of what can be
done with one (code, commands, files, terminals, contexts, previews, pauses, forks, snapshots), in
an order of its own, sees each answer, and ends what it has made. Exits with 1 if an answer was
wrong or none came, if the server holds more at the end than at the beginning, or (from twenty
minutes on) if its memory grows.
"""

import argparse
import asyncio
import multiprocessing
import os
import random
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import httpx
from e2b import PtySize
from e2b_code_interpreter import AsyncSandbox, Sandbox

from capibara6_sandbox.host.past_usage import BYTES_MAX
from holdings import resident_mb
from servers import Server, real_server
from soak import (
    GROWTH_MB_PER_MINUTE_MAX,
    SAMPLE_S,
    Memory,
    leaks,
    settled,
)

ANSWER_S_MAX = 120.0  # what takes longer counts as an error
_ACTS_OF_ONE = 6  # with one sandbox, before the next
_PORT = 8000
# What is kept of ended sandboxes is bounded: their logs grow to their bound before, and what a
# history of one that lived for a moment takes is taken off until all together may hold no more.
_GROWTH_JUDGED_FROM_S = 1200.0
_HISTORY_BYTES = 1024


Result = TypeVar("Result")


@dataclass
class Figures:
    """What all clients saw."""

    answers_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)
    fresh: Counter[str] = field(default_factory=Counter)  # forks without variables, by reason

    @property
    def histories_mb(self) -> float:
        """What the server keeps of what the ended sandboxes have used."""
        ended = sum(len(self.answers_s[kind]) for kind in ("kill", "fork", "snapshot"))
        return min(ended * _HISTORY_BYTES, BYTES_MAX) / 1e6


class Client:
    """One of the clients.

    Args:
        server: which they use.
        figures: of all of them.
        seed: of its order.
    """

    def __init__(self, server: Server, figures: Figures, seed: int) -> None:
        self._server = server
        self._figures = figures
        self._dice = random.Random(seed)

    async def work(self, stop: asyncio.Event) -> None:
        """Use one sandbox after the other, until told to stop."""
        acts: dict[str, Callable[[AsyncSandbox], Awaitable[None]]] = {
            "run_code": self._run_code,
            "command": self._command,
            "files": self._files,
            "terminal": self._terminal,
            "context": self._context,
            "preview": self._preview,
            "pause": self._pause,
            "pause files": self._pause_files,
            "fork": self._fork,
            "snapshot": self._snapshot,
        }
        while not stop.is_set():
            creating = AsyncSandbox.create(timeout=600, **self._server.sdk)
            sandbox = await self._timed("create", creating)
            if sandbox is None:
                continue
            for name in self._dice.choices(list(acts), k=_ACTS_OF_ONE):
                if not stop.is_set():
                    await self._timed(name, acts[name](sandbox))
            await self._timed("kill", sandbox.kill())

    async def _timed(self, kind: str, act: Awaitable[Result]) -> Result | None:
        """Return what came of an act; None if nothing did in time."""
        begun = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                result = await act
        except Exception as failure:  # noqa: BLE001 - whatever it was, it was no right answer
            self._figures.errors.append(f"{kind}: {type(failure).__name__} {failure}"[:300])
        else:
            self._figures.answers_s[kind].append(time.monotonic() - begun)
            return result
        return None

    async def _run_code(self, sandbox: AsyncSandbox) -> None:
        number = self._dice.randrange(10**9)
        await sandbox.run_code(f"x = {number}")
        _expect((await sandbox.run_code("x + 1")).text, str(number + 1))

    async def _command(self, sandbox: AsyncSandbox) -> None:
        done = await sandbox.commands.run("seq 20000 | tail -1; ls / > /dev/null")
        _expect(done.stdout, "20000\n")

    async def _files(self, sandbox: AsyncSandbox) -> None:
        content = self._dice.randbytes(self._dice.choice((100, 300_000)))
        await sandbox.files.write("data.bin", content)
        _expect(bytes(await sandbox.files.read("data.bin", format="bytes")), content)
        await sandbox.files.remove("data.bin")

    async def _terminal(self, sandbox: AsyncSandbox) -> None:
        heard = bytearray()
        terminal = await sandbox.pty.create(PtySize(24, 80), heard.extend, timeout=60)
        await sandbox.pty.send_stdin(terminal.pid, b"expr 40 + 2; exit\n")
        await terminal.wait()
        _expect(b"42" in heard, True)

    async def _context(self, sandbox: AsyncSandbox) -> None:
        context = await sandbox.create_code_context(language=self._dice.choice(("python", "bash")))
        code = "print(6 * 7)" if context.language == "python" else "echo 42"
        done = await sandbox.run_code(code, context=context)
        _expect("".join(done.logs.stdout).strip(), "42")
        await sandbox.remove_code_context(context)

    async def _preview(self, sandbox: AsyncSandbox) -> None:
        command = f"cd / && exec python3 -m http.server {_PORT} --bind 127.0.0.1"
        service = await sandbox.commands.run(command, background=True, timeout=60)
        host = sandbox.get_host(_PORT)
        url, named = self._server.url, {"Host": host}
        async with httpx.AsyncClient(base_url=url, headers=named, timeout=ANSWER_S_MAX) as client:
            until = time.monotonic() + ANSWER_S_MAX / 2
            while (reply := await client.get("/")).status_code != httpx.codes.OK:
                if time.monotonic() > until:
                    raise AssertionError(f"the preview answers {reply.status_code}")
                await asyncio.sleep(0.1)
            _expect("home/" in reply.text, True)
        await service.kill()

    async def _pause(self, sandbox: AsyncSandbox) -> None:
        await sandbox.run_code("kept = 7")
        await sandbox.pause()
        await sandbox.connect(timeout=600)
        _expect((await sandbox.run_code("kept")).text, "7")

    async def _pause_files(self, sandbox: AsyncSandbox) -> None:
        await sandbox.files.write("kept", "kept")
        await sandbox.pause(keep_memory=False)
        await sandbox.connect(timeout=600)
        _expect(await sandbox.files.read("kept"), "kept")

    async def _fork(self, sandbox: AsyncSandbox) -> None:
        await sandbox.run_code("forked = 8")
        (fork,) = await sandbox.fork(timeout=300)
        if isinstance(fork, Exception):
            raise fork
        try:
            done = await fork.run_code("forked")
            if "variables were not carried" in "".join(done.logs.stderr):
                self._figures.fresh[" ".join(done.logs.stderr).strip()[-120:]] += 1
            else:
                _expect(done.text, "8")
        finally:
            await fork.kill()

    async def _snapshot(self, sandbox: AsyncSandbox) -> None:
        await sandbox.files.write("saved", "saved")
        snapshot = await sandbox.create_snapshot()
        copy = await AsyncSandbox.create(snapshot.snapshot_id, timeout=300, **self._server.sdk)
        try:
            _expect(await copy.files.read("saved"), "saved")
        finally:
            await copy.kill()
            await AsyncSandbox.delete_snapshot(snapshot.snapshot_id, **self._server.sdk)


def main() -> None:
    """Load, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=1800)
    arguments = parser.parse_args()
    with real_server("loaded", 2) as server:
        _warm(server)
        before, resting_mb = settled(server.pid), resident_mb(server.pid)["server"]
        # In a process of its own, whose end closes the connections that the SDK keeps.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as clients:
            work = clients.submit(_loaded, server, arguments.clients, arguments.seconds)
            figures, memory = work.result()
        after = settled(server.pid, wanted=before)
        rested_mb = resident_mb(server.pid)["server"]
    faults = [*figures.errors, *leaks(before, after)]
    growth = memory.growth_mb_per_minute("server but for histories")
    if arguments.seconds >= _GROWTH_JUDGED_FROM_S and growth > GROWTH_MB_PER_MINUTE_MAX:
        faults.append(f"the server grows by {growth:.2f} MB a minute")
    load = os.getloadavg()[0]
    print(f"{arguments.clients} clients, {arguments.seconds:.0f} s, load {load:.1f}")
    for kind, answers_s in sorted(figures.answers_s.items()):
        slowest, p50 = max(answers_s), statistics.median(answers_s)
        print(f"{kind:12} {len(answers_s):7}, median {1000 * p50:.0f} ms, slowest {slowest:.1f} s")
    for reason, count in figures.fresh.most_common(5):
        print(f"fork without variables {count}: {reason}")
    print(f"{'errors':12} {len(figures.errors):7}")
    print(f"server       {resting_mb:.1f} MB at the start, {rested_mb:.1f} at the end", end="")
    print(f" ({growth:+.3f} MB a minute, histories of the ended sandboxes taken off)")
    print(f"before {before}\nafter  {after}")
    print("\n".join(f"FAULT: {fault}" for fault in faults[:50]))
    sys.exit(1 if faults else 0)


def _warm(server: Server) -> None:
    """Do once what only the first time leaves something behind."""
    with Sandbox.create(**server.sdk) as sandbox:
        sandbox.run_code("1")
        (fork,) = sandbox.fork()
        fork.kill()
        sandbox.delete_snapshot(sandbox.create_snapshot().snapshot_id, **server.sdk)


def _loaded(server: Server, clients: int, seconds: float) -> tuple[Figures, Memory]:
    return asyncio.run(_load(server, clients, seconds))


async def _load(server: Server, clients: int, seconds: float) -> tuple[Figures, Memory]:
    figures, memory, stop = Figures(), Memory(), asyncio.Event()
    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(Client(server, figures, number).work(stop))
        while (passed := time.monotonic() - begun) < seconds:
            await asyncio.sleep(min(SAMPLE_S, seconds - passed))
            resident = resident_mb(server.pid)["server"] - figures.histories_mb
            memory.add(time.monotonic() - begun, {"server but for histories": resident})
        stop.set()
    plain = Figures(dict(figures.answers_s), figures.errors, figures.fresh)
    return plain, memory


def _expect(found: object, wanted: object) -> None:
    if found != wanted:
        raise AssertionError(f"got {str(found)[:100]!r}, not {str(wanted)[:100]!r}")


if __name__ == "__main__":
    main()
