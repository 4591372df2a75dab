"""Supervises the embedded server: finds the running one, or starts one and waits until it is ready.

The server is a process of its own (`python -m capibara6_sandbox serve`), detached, so that it
outlives the command that started it and the next one finds it warm. This module starts it, reads
its progress and its state file, and knows nothing of its insides.
"""

import asyncio
import fcntl
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from capibara6.errors import ProviderUnreachableError
from capibara6.supervision.environment import server_environment
from capibara6.supervision.log import LogReader
from capibara6.supervision.process import end, has_ended, spawn_detached
from capibara6.supervision.state import ServerAddress, answers, is_alive, read_state

COMMAND: Final = (sys.executable, "-m", "capibara6_sandbox", "serve")
IDLE_TIMEOUT_S: Final = 30 * 60
# A first start may download and build the template; silence this long means it hangs.
_SILENCE_S_MAX: Final = 600.0
_POLL_S: Final = 0.05
_LOCK_POLL_S: Final = 0.2

Notify = Callable[[float, str], None]  # share of the start that is done (0..1), what is going on


def unnoticed(_share: float, _message: str) -> None:
    """Nobody watches."""


class EmbeddedServer:
    """The embedded server of one data directory.

    Args:
        home: the platform's data directory; the state file, lock and log lie in it.
        idle_timeout_s: the server ends by itself after so long without a sandbox; None: never.
        command: how it is started.
        environment: what the allow-list picks the server's environment from.
    """

    def __init__(
        self,
        home: Path,
        idle_timeout_s: float | None = IDLE_TIMEOUT_S,
        command: Sequence[str] = COMMAND,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._home = home
        self._idle_timeout_s = idle_timeout_s
        self._command = tuple(command)
        self._environment = environment
        self.started_pid: int | None = None  # set when this object started the server
        self._known: ServerAddress | None = None  # it answered us once

    @property
    def state_file(self) -> Path:
        """Where the server says that it is ready, and where."""
        return self._home / "sandbox-server.json"

    @property
    def log_file(self) -> Path:
        """The server's standard error."""
        return self._home / "sandbox-server.log"

    @property
    def degraded(self) -> tuple[str, ...]:
        """Layers of isolation that the server's machine does not offer; once it was found."""
        return self._known.degraded if self._known else ()

    async def running(self) -> ServerAddress | None:
        """The running server, if one runs and answers."""
        address = read_state(self.state_file)
        if address is None or not is_alive(address.pid):
            return None
        # One that answered and still has its process and state file is not asked before each use.
        if address == self._known or await answers(address):
            self._known = address
            return address
        return None

    async def ensure(self, notify: Notify = unnoticed) -> ServerAddress:
        """The running server; started if there is none. Safe to call from several processes.

        Raises:
            ProviderUnreachableError: it ended or fell silent before it was ready; the message
                holds the end of its log.
        """
        if address := await self.running():
            return address
        self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
        async with self._only_starter():
            # Another process may have started it while we waited for our turn.
            return await self.running() or await self._start(notify)

    async def stop(self) -> None:
        """End the server that this object started; one that it merely found is left alone."""
        pid, self.started_pid = self.started_pid, None
        if pid is not None:
            await end(pid)

    @asynccontextmanager
    async def _only_starter(self) -> AsyncIterator[None]:
        lock = os.open(
            self._home / "sandbox-server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(_LOCK_POLL_S)
            yield
        finally:
            os.close(lock)

    async def _start(self, notify: Notify) -> ServerAddress:
        self.state_file.unlink(missing_ok=True)
        self.log_file.unlink(missing_ok=True)
        pid = self._spawn()
        try:
            address = await self._ready(pid, notify)
        except BaseException:
            await end(pid)
            raise
        self.started_pid, self._known = pid, address
        return address

    def _spawn(self) -> int:
        arguments = [*self._command, "--port", "0", "--state", str(self.state_file)]
        if self._idle_timeout_s is not None:
            arguments += ["--idle-timeout", str(self._idle_timeout_s)]
        environment = server_environment(self._environment, CAPIBARA6_HOME=str(self._home))
        return spawn_detached(arguments, environment, self.log_file)

    async def _ready(self, pid: int, notify: Notify) -> ServerAddress:
        log = LogReader(self.log_file)
        heard_s = time.monotonic()
        while True:
            for share, message in log.progress():
                heard_s = time.monotonic()
                notify(share, message)
            if (address := read_state(self.state_file)) and await answers(address):
                return address
            if has_ended(pid):
                raise self._failure("it ended while starting", log)
            if time.monotonic() - heard_s > _SILENCE_S_MAX:
                raise self._failure(f"it was silent for {_SILENCE_S_MAX:.0f} s", log)
            await asyncio.sleep(_POLL_S)

    def _failure(self, what: str, log: LogReader) -> ProviderUnreachableError:
        list(log.progress())
        said = " / ".join(log.tail) or "it said nothing"
        return ProviderUnreachableError("embedded", str(self.state_file), f"{what}: {said}")
