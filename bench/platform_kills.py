"""Kills the platform and its sandbox server under load, and compares replies with the database.

    .venv/bin/python bench/platform_kills.py [--kills 6] [--seed 1] [--clients 3]

Clients post programs to /api/e2b/execute. What a program prints can be known only by running it, so
a record with the right output is of an execution that happened. Exits with 1 if an execution that
was answered as recorded has no record, has two, or a record tells what did not happen; if a run
is still said to be under way when nothing runs; or if a process, group, folder or mount of what was
killed is left.
"""

import argparse
import hashlib
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from capibara6_sandbox.arguments import data_folder
from orphans import Orphans

_ROOT = Path(__file__).parents[1]
_VICTIMS = ("platform, SIGKILL", "server, SIGKILL", "platform, SIGTERM")
_PROGRAM = """
import hashlib
digest = "{nonce}".encode()
for _ in range(1000):
    digest = hashlib.sha256(digest).digest()
print("{nonce}", digest.hex())
"""


@dataclass
class Told:
    """What clients were told."""

    recorded: dict[str, str] = field(default_factory=dict)  # nonce by id of the execution
    failed: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Platform:
    """`capibara6 serve` with a data directory of its own, many times."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.url = ""
        (home / "templates").symlink_to(data_folder() / "templates")
        tiers = dict.fromkeys(("fast_response", "balanced", "complex"))
        (home / "config.json").write_text(json.dumps({"tiers": tiers}))

    def start(self) -> None:
        """Start it, and its sandbox server where none runs."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "capibara6", "serve", "--port", "0"],
            env={
                **os.environ,
                "CAPIBARA6_HOME": str(self.home),
                "CAPIBARA6_CONFIG": str(self.home / "config.json"),
                "PYTHONPATH": str(_ROOT / "src"),
                "LC_ALL": "C.UTF-8",
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        said = []
        for line in self.process.stderr:
            said.append(line)
            if found := re.search(r"listens on (http://\S+) ", line):
                self.url = found[1]
                threading.Thread(target=self.process.stderr.read, daemon=True).start()
                return
        raise SystemExit("the platform did not start:\n" + "".join(said))

    def end(self, number: signal.Signals) -> None:
        """End it by a signal."""
        self.process.send_signal(number)
        self.process.wait(60)

    def end_server(self, number: signal.Signals) -> int:
        """End its sandbox server by a signal, if one runs; return its process, else 0."""
        with suppress(FileNotFoundError, ProcessLookupError, ValueError):
            state = json.loads((self.home / "sandbox-server.json").read_text())
            os.kill(state["pid"], number)
            return int(state["pid"])
        return 0

    def prove(self) -> list[str]:
        """Have it run a program, for which it starts a server if it has none."""
        nonce = os.urandom(8).hex()
        body = {"code": _PROGRAM.format(nonce=nonce), "template": "default"}
        reply = httpx.post(f"{self.url}/api/e2b/execute", json=body, timeout=120)
        done = reply.status_code == 200 and reply.json()["stdout"].strip() == _output(nonce)
        return [] if done else [f"after all kills it answers {reply.status_code} {reply.text}"]

    def rows(self, query: str) -> list[tuple[str, ...]]:
        """Ask its database."""
        with closing(sqlite3.connect(self.home / "capibara6.db", timeout=30)) as connection:
            return connection.execute(query).fetchall()


def main() -> None:
    """Kill, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=3)
    arguments = parser.parse_args()
    dice, told, begun = random.Random(arguments.seed), Told(), time.monotonic()
    with TemporaryDirectory(prefix="capibara6-kills-") as folder:
        platform, orphans = Platform(Path(folder)), Orphans(Path(folder))
        platform.start()
        faults: list[str] = []
        left: list[str] = []
        kills: Counter[str] = Counter()
        try:
            for number in range(arguments.kills):
                victim = _VICTIMS[number % len(_VICTIMS)]
                left += _kill_under_load(platform, told, victim, dice, arguments.clients, orphans)
                kills[victim] += 1
                faults += _unfinished(platform)
            faults += platform.prove()
            lost, duplicated, untrue = _compare(platform, told)
        finally:
            orphans.look(platform.process.pid)
            platform.end(signal.SIGTERM)
            platform.end_server(signal.SIGTERM)
        left += orphans.left()
    kinds = ", ".join(f"{name} {count}" for name, count in sorted(kills.items()))
    print(f"{'kills':24} {kills.total():6}  ({kinds})")
    print(f"{'executions acknowledged':24} {len(told.recorded):6}")
    print(f"{'lost':24} {len(lost):6}\n{'duplicated':24} {len(duplicated):6}")
    print(f"{'recorded and not done':24} {len(untrue):6}")
    print(f"{'runs without an end':24} {len(faults):6}")
    print(f"{'orphans':24} {len(left):6}")
    print(f"what clients met: {dict(told.failed.most_common(6))}")
    print(f"{time.monotonic() - begun:.0f} s in all")
    wrong = [*lost, *duplicated, *untrue, *faults, *(f"left: {what}" for what in left)]
    for fault in wrong[:20]:
        print(f"FAULT: {fault}")
    sys.exit(1 if wrong or not told.recorded else 0)


def _kill_under_load(
    platform: Platform,
    told: Told,
    victim: str,
    dice: random.Random,
    clients: int,
    orphans: Orphans,
) -> list[str]:
    """Kill the victim; return the processes that it left."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=_post, args=(platform.url, told, stop)) for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    time.sleep(dice.uniform(0.5, 3.0))
    who, _, how = victim.partition(", ")
    orphans.look(platform.process.pid)
    left: list[str] = []
    if who == "platform":
        platform.end(signal.Signals[how])
    else:
        left = orphans.ended(platform.end_server(signal.Signals[how]))
        time.sleep(dice.uniform(0.5, 3.0))
    stop.set()
    for thread in threads:
        thread.join()
    if who == "platform":
        platform.start()
    return left


def _post(url: str, told: Told, stop: threading.Event) -> None:
    with httpx.Client(base_url=url, timeout=120) as client:
        while not stop.is_set():
            nonce = os.urandom(8).hex()
            body = {"code": _PROGRAM.format(nonce=nonce), "template": "default"}
            try:
                reply = client.post("/api/e2b/execute", json=body)
            except httpx.TransportError as failure:
                kind = type(failure).__name__
                stop.wait(0.1)
            else:
                done = reply.status_code == 200 and reply.json().get("recorded")
                kind = "" if done else f"{reply.status_code}"
            with told.lock:
                if kind:
                    told.failed[kind] += 1
                else:
                    told.recorded[reply.json()["id"]] = nonce


def _unfinished(platform: Platform) -> list[str]:
    """Return the runs that are said to be under way, though nobody asks for anything."""
    until = time.monotonic() + 30
    while found := platform.rows("SELECT id FROM runs WHERE finished_at IS NULL"):
        if time.monotonic() > until:
            return [f"run {row[0]} is under way for ever" for row in found]
        time.sleep(0.2)
    return []


def _compare(platform: Platform, told: Told) -> tuple[list[str], list[str], list[str]]:
    """Return what was lost, what was done twice, and what was recorded and not done."""
    rows = platform.rows("SELECT id, code, success, stdout FROM executions")
    by_nonce = Counter(_nonce(code) for _, code, *_ in rows)
    kept = {row[0] for row in rows}
    lost = [f"lost: {name}" for name in told.recorded if name not in kept]
    twice = [f"twice: {nonce}" for nonce, times in by_nonce.items() if times > 1]
    untrue = [
        f"not done: {name}"
        for name, code, success, stdout in rows
        if success and stdout.strip() != _output(_nonce(code))
    ]
    untrue += [
        f"not as told: {row[0]}"
        for row in rows
        if row[0] in told.recorded and _nonce(row[1]) != told.recorded[row[0]]
    ]
    return lost, twice, untrue


def _nonce(code: str) -> str:
    found = re.search(r'print\("([0-9a-f]+)"', code)
    return found[1] if found else ""


def _output(nonce: str) -> str:
    digest = nonce.encode()
    for _ in range(1000):
        digest = hashlib.sha256(digest).digest()
    return f"{nonce} {digest.hex()}"


if __name__ == "__main__":
    main()
