"""Clients of a server that is killed under them, through the published SDK.

Each execution leaves a line in a volume, which lies on the server's disk: that is what happened,
whatever the server says.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from e2b import Template, Volume
from e2b_code_interpreter import Sandbox

from ledger import Ledger
from mortal import Mortal

MOUNT = "/mnt/effects"
KEPT_FILE = "/home/user/kept"
_KEPT_MAX = 3  # of each kind at a time
_CALL_S_MAX = 60.0
_PROGRAM = f"""
import os
place = os.open("{MOUNT}/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
os.write(place, b"%s\\n")
os.close(place)
print("%s")
"""


@dataclass
class Clients:
    """Threads that use a server until they are told to stop."""

    server: Mortal
    ledger: Ledger
    volume: Volume
    template: str = ""  # one that a client built
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _count: int = 0

    def start(self, executing: int) -> None:
        """Begin: so many that execute, one that pauses, one that makes snapshots."""
        self._stop = threading.Event()
        works: list[Callable[[], None]] = [self._execute] * executing
        works += [self._pause, self._snapshot]
        self._threads = [threading.Thread(target=self._repeat, args=(work,)) for work in works]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, and wait for all."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, work: Callable[[], None]) -> None:
        while not self._stop.is_set():
            try:
                work()
            except Exception as failure:  # noqa: BLE001 - a kill shows in any way
                self.ledger.fail(failure)
                self._stop.wait(0.05)

    def _nonce(self) -> str:
        self._count += 1
        return f"{threading.get_ident()}-{self._count}"

    def _execute(self) -> None:
        """Use one sandbox as long as it lives."""
        sandbox = Sandbox.create(
            timeout=600,
            volume_mounts={MOUNT: self.volume},
            request_timeout=_CALL_S_MAX,
            **self.server.sdk,
        )
        while not self._stop.is_set():
            nonce = self._nonce()
            done = sandbox.run_code(
                _PROGRAM % (nonce, nonce), timeout=_CALL_S_MAX, request_timeout=_CALL_S_MAX
            )
            if done.error is None and "".join(done.logs.stdout).strip() == nonce:
                self.ledger.acknowledge(nonce)
            else:
                self.ledger.fail(done.error.name if done.error else "no output")
        sandbox.kill()

    def _with_file(self) -> tuple[Sandbox, str]:
        content = self._nonce()
        sandbox = Sandbox.create(
            self.template, timeout=600, request_timeout=_CALL_S_MAX, **self.server.sdk
        )
        sandbox.files.write(KEPT_FILE, content)
        return sandbox, content

    def _pause(self) -> None:
        """Pause one more, or wake one that was paused, and see its file."""
        ledger = self.ledger
        if len(ledger.paused) < _KEPT_MAX:
            sandbox, content = self._with_file()
            sandbox.pause(request_timeout=_CALL_S_MAX)
            ledger.keep(ledger.paused, sandbox.sandbox_id, content)
        elif (taken := ledger.take(ledger.paused)) is not None:
            self.wake(*taken)
        self._stop.wait(0.2)

    def _snapshot(self) -> None:
        ledger = self.ledger
        if len(ledger.snapshots) < _KEPT_MAX:
            sandbox, content = self._with_file()
            snapshot = sandbox.create_snapshot(request_timeout=_CALL_S_MAX)
            ledger.keep(ledger.snapshots, snapshot.snapshot_id, content)
            sandbox.kill()
        elif (taken := ledger.take(ledger.snapshots)) is not None:
            self.start_of(*taken)
            Sandbox.delete_snapshot(taken[0], **self.server.sdk)
        self._stop.wait(0.2)

    def wake(self, sandbox_id: str, content: str) -> None:
        """See that a paused sandbox has its file; end it."""
        sandbox = Sandbox.connect(
            sandbox_id, timeout=600, request_timeout=_CALL_S_MAX, **self.server.sdk
        )
        self._expect(f"paused sandbox {sandbox_id}", sandbox, content)

    def start_of(self, snapshot_id: str, content: str) -> None:
        """See that a sandbox of a snapshot has its file; end it."""
        sandbox = Sandbox.create(
            snapshot_id, timeout=600, request_timeout=_CALL_S_MAX, **self.server.sdk
        )
        self._expect(f"snapshot {snapshot_id}", sandbox, content)

    def _expect(self, what: str, sandbox: Sandbox, content: str) -> None:
        found = sandbox.files.read(KEPT_FILE)
        if found != content:
            self.ledger.breach(f"{what} has {found!r} in its file, not {content!r}")
        sandbox.kill()

    def use_once(self) -> None:
        """Do once what clients do: what only the first one needs is there from now on."""
        for template in ("code-interpreter-v1", self.template):
            mounts = {MOUNT: self.volume}
            with Sandbox.create(template, volume_mounts=mounts, **self.server.sdk) as sandbox:
                sandbox.files.write(KEPT_FILE, "once")
                sandbox.commands.run(f"echo once >> {MOUNT}/log")

    def verify(self) -> None:
        """After a restart: see that all that was promised is there, and can be used."""
        ledger = self.ledger
        for what, kind, use in (
            ("paused", ledger.paused, self.wake),
            ("snapshots", ledger.snapshots, self.start_of),
        ):
            for name, content in list(kind.items()):
                del kind[name]
                try:
                    use(name, content)
                except Exception as failure:  # noqa: BLE001 - whatever it is, it is not there
                    ledger.breach(f"{what}: {name} cannot be used: {failure!r}")
                else:
                    ledger.verify(what)
                if kind is ledger.snapshots:
                    Sandbox.delete_snapshot(name, **self.server.sdk)
        sandbox = Sandbox.create(self.template, timeout=60, **self.server.sdk)
        if sandbox.commands.run("cat /home/user/built").stdout != "built\n":
            ledger.breach("the template is not what was built")
        sandbox.kill()
        ledger.verify("templates")
        if not any(one.volume_id == self.volume.volume_id for one in Volume.list(**_api(self))):
            ledger.breach("the volume is gone")
        ledger.verify("volumes")


def _api(clients: Clients) -> dict[str, str]:
    sdk = clients.server.sdk
    return {"api_url": sdk["api_url"], "api_key": sdk["api_key"]}


def prepare(server: Mortal, ledger: Ledger) -> Clients:
    """Make the volume and the template that all clients use."""
    api = {"api_url": server.url, "api_key": server.sdk["api_key"]}
    volume = Volume.create("effects", **api)
    recipe = Template().from_template("base").run_cmd("echo built > /home/user/built")
    Template.build(recipe, "killed", **api)
    return Clients(server, ledger, volume, "killed")
