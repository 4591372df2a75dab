"""Kills a server and its parts at random moments under load, and checks what must hold after.

    .venv/bin/python bench/kills.py [--kills 200] [--seed 1] [--clients 3]

Several clients execute, pause and save through the published SDK. Victims are kernels, agents, the
egress process, zygotes, the nursery and the server itself, the last by SIGKILL and by SIGTERM in
turns, each time followed by a new start on the same data. Exits with 1 if an acknowledged execution
has left no trace, an execution ran twice, something that was paused, saved, built or stored is
gone, or a process, group, mount, folder, file or descriptor was left behind.
"""

import argparse
import contextlib
import os
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from e2b import Volume
from e2b_code_interpreter import Sandbox

from capibara6_sandbox.arguments import data_folder
from holdings import Holdings, kinds_of_descriptors
from kill_clients import Clients, prepare
from ledger import Ledger
from mortal import Mortal
from processes import command_name, descendants

# Of every hundred kills; those that cost seconds of imports are few.
SHARES = {"kernel": 52, "agent": 41, "egress": 8, "zygote": 2, "nursery": 1, "server": 3}
_NAMES = {
    "kernel": ("python",),
    "agent": ("c6-agent",),
    "egress": ("c6-egress",),
    "zygote": ("c6-zygote",),
    "nursery": ("c6-nursery",),
}
_PAUSE_S = (0.02, 0.2)
_SETTLE_S_MAX = 60.0
_VICTIM_S_MAX = 60.0
_KEPT = ("layers", "volumes", "own-templates", "uploads", "secrets")


def main() -> None:
    """Kill, check, print."""
    arguments = _arguments()
    dice = random.Random(arguments.seed)
    begun = time.monotonic()
    with TemporaryDirectory(prefix="capibara6-kills-") as folder:
        data = Path(folder, "data")
        data.mkdir()
        (data / "templates").symlink_to(data_folder() / "templates")
        trial = Trial(Mortal(data, Path(folder, "log")), Ledger(), dice)
        try:
            trial.run(arguments.kills, arguments.clients)
        finally:
            trial.abandon()
        lost, duplicated = trial.ledger.compare(trial.effects)
        _report(trial, lost, duplicated, time.monotonic() - begun)
        faults = [*trial.ledger.broken, *trial.orphans]
        if trial.kills.total() < arguments.kills:
            faults.append(f"{trial.kills.total()} kills, not {arguments.kills}")
        if lost or duplicated or faults:
            print("\n".join(f"FAULT: {fault}" for fault in faults[:50]))
            print(trial.server.tail(), file=sys.stderr)
            sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=3, help="that execute")
    return parser.parse_args()


class Trial:
    """One run of the test."""

    def __init__(self, server: Mortal, ledger: Ledger, dice: random.Random) -> None:
        self.server = server
        self.ledger = ledger
        self.dice = dice
        self.kills: Counter[str] = Counter()
        self.orphans: list[str] = []
        self.effects = Path()
        self.starts_s: list[float] = []
        self._clients: Clients | None = None
        self._resting_files: set[str] = set()
        self._resting_descriptors: Counter[str] = Counter()

    def run(self, kills: int, clients: int) -> None:
        """Let clients work, kill so often, and check."""
        self.starts_s.append(self.server.start())
        first_files = _files(self.server.data)
        self._clients = using = prepare(self.server, self.ledger)
        using.use_once()
        self.effects = self.server.data / "volumes" / using.volume.volume_id / "tree/log"
        for number, round_victims in enumerate(_rounds(kills, self.dice)):
            resting = self._holdings() if number == 0 else None
            if resting:
                self._resting_files = _files(self.server.data)
                self._resting_descriptors = kinds_of_descriptors(self.server.pid)
            using.start(clients)
            for victim in round_victims:
                time.sleep(self.dice.uniform(*_PAUSE_S))
                self._kill(victim)
            if resting is None or not round_victims:
                self._kill_server((signal.SIGKILL, signal.SIGTERM)[number % 2])
                continue
            using.stop()  # once: what the parts' ends leave in the server itself
            self._clear()
            self._compare(resting)
        self._clear()
        self._remove_all(first_files)

    def _kill(self, victim: str) -> None:
        """Kill one process of a kind, as soon as there is one."""
        until = time.monotonic() + _VICTIM_S_MAX
        while time.monotonic() < until:
            below = descendants(self.server.pid)
            named = [pid for pid in below if command_name(pid) in _NAMES[victim]]
            with contextlib.suppress(ProcessLookupError, IndexError):
                os.kill(self.dice.choice(named), signal.SIGKILL)
                self.kills[victim] += 1
                return
            time.sleep(_PAUSE_S[0])

    def _kill_server(self, number: signal.Signals) -> None:
        """End the server under its clients, and start it again."""
        assert self._clients is not None
        time.sleep(self.dice.uniform(*_PAUSE_S))
        remains = self.server.end(number)
        self.kills[f"server, {number.name}"] += 1
        self._clients.stop()
        self.orphans += remains.processes_left()
        self.starts_s.append(self.server.start())
        self.orphans += remains.places_left()
        self._clients.verify()

    def _clear(self) -> None:
        """End all sandboxes; what was kept is used up."""
        assert self._clients is not None
        self._clients.verify()
        for _ in range(100):
            left = Sandbox.list(**self.server.sdk).next_items()
            unknown = Sandbox.list_snapshots(**self.server.sdk).next_items()  # told to nobody
            if not left and not unknown:
                return
            for found in left:
                Sandbox.kill(found.sandbox_id, **self.server.sdk)
            for snapshot in unknown:
                Sandbox.delete_snapshot(snapshot.snapshot_id, **self.server.sdk)

    def _holdings(self) -> Holdings:
        """Count what the server holds at rest."""
        until, found = time.monotonic() + _SETTLE_S_MAX, Holdings.of(self.server.pid)
        while time.monotonic() < until:
            time.sleep(1)
            last, found = found, Holdings.of(self.server.pid)
            if last == found:
                break
        return found

    def _compare(self, resting: Holdings) -> None:
        until, now = time.monotonic() + _SETTLE_S_MAX, self._holdings()
        while _more(resting, now) and time.monotonic() < until:
            now = self._holdings()
        self.orphans += _more(resting, now)
        if now.files > resting.files:
            more = sorted(_files(self.server.data) - self._resting_files)
            self.orphans.append(f"files: {' '.join(more)}")
        if now.descriptors > resting.descriptors:
            kinds = kinds_of_descriptors(self.server.pid) - self._resting_descriptors
            self.orphans.append(f"descriptors: {', '.join(kinds.elements())}")

    def _remove_all(self, first_files: set[str]) -> None:
        """Give up all that clients keep, end the server, and see that nothing is left of it."""
        assert self._clients is not None
        using, sdk = self._clients, self.server.sdk
        api = {"api_url": sdk["api_url"], "api_key": sdk["api_key"]}
        lines = self.effects.read_text() if self.effects.exists() else ""
        Sandbox.delete_snapshot(using.template, **sdk)
        Volume.destroy(using.volume.volume_id, **api)
        self.ledger.broken += self.server.faults()
        remains = self.server.end(signal.SIGTERM)
        self.orphans += [*remains.processes_left(), *remains.places_left()]
        left = _files(self.server.data) - first_files
        self.orphans += [f"file {name}" for name in sorted(left)]
        self.effects = self.server.log.with_name("effects")
        self.effects.write_text(lines)

    def abandon(self) -> None:
        """End what runs still, where something went wrong."""
        if self._clients is not None:
            self._clients.stop()
        if hasattr(self.server, "process") and self.server.process.poll() is None:
            self.server.end(signal.SIGTERM)


def _rounds(kills: int, dice: random.Random) -> list[list[str]]:
    """Return the victims before each end of the server, which is a kill itself."""
    rounds = 1 + max(1, kills * SHARES["server"] // 100)  # the first ends no server
    victims = [
        name
        for name, share in SHARES.items()
        if name != "server"
        for _ in range(-(-kills * share // 100))
    ]
    dice.shuffle(victims)
    return [victims[number::rounds] for number in range(rounds)]


def _files(data: Path) -> set[str]:
    system = str(data / "layers/system")  # made once for all builds, and kept
    walk = [
        found
        for name in _KEPT
        for found in os.walk(data / name)
        if not (found[0] + "/").startswith(system + "/")
    ]
    return {
        os.path.relpath(os.path.join(path, name), data)
        for path, below, files in walk
        for name in below + files
        if os.path.join(path, name) != system
    }


def _more(before: Holdings, after: Holdings) -> list[str]:
    earlier, later = asdict(before), asdict(after)
    return [
        f"{name}: {earlier[name]} at first, {later[name]} at rest"
        for name in earlier
        if later[name] > earlier[name]
    ]


def _report(trial: Trial, lost: list[str], duplicated: list[str], took_s: float) -> None:
    ledger = trial.ledger
    kinds = ", ".join(f"{name} {count}" for name, count in sorted(trial.kills.items()))
    slowest = max(trial.starts_s, default=0.0)
    print(f"{'kills':24} {trial.kills.total():6}  ({kinds})")
    print(f"{'executions acknowledged':24} {len(ledger.acknowledged):6}")
    print(f"{'lost':24} {len(lost):6}  {' '.join(lost[:5])}")
    print(f"{'duplicated':24} {len(duplicated):6}  {' '.join(duplicated[:5])}")
    print(f"{'orphans':24} {len(trial.orphans):6}")
    print(f"{'promises broken':24} {len(ledger.broken):6}")
    found = ", ".join(f"{name} {count}" for name, count in sorted(ledger.verified.items()))
    print(f"found again after a kill: {found}")
    print("what clients met:")
    for name, count in ledger.failed.most_common(12):
        print(f"{count:6}  {name}")
    print(f"{len(trial.starts_s)} starts, the slowest in {slowest:.1f} s; {took_s:.0f} s in all")


if __name__ == "__main__":
    main()
