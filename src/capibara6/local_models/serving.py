"""A model as long as the platform runs: started at first use, one request at a time.

It is ended when idle, and not started while another platform of this data folder runs it. A process
that has crashed is started anew once; the second crash without an answer between them is told to
whoever asks.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx

from capibara6.errors import CapibaraError
from capibara6.local_models.engine import required_python
from capibara6.local_models.gguf import read_model_file
from capibara6.local_models.lease import Address, Lease
from capibara6.local_models.process import ModelProcess, ServingFailed, missing_walls
from capibara6.local_models.registry import LocalModel

log = logging.getLogger(__name__)

IDLE_S: Final = 300.0
WAITING_MAX: Final = 32
_CRASHES_MAX: Final = 2  # without an answer between them

Tell = Callable[[float, str], None]  # share of the start that is done (0..1), what is going on


class TooManyWaiting(ServingFailed):
    """The queue is full; the client is asked to come again."""


class Ending(ServingFailed):
    """The platform ends, and its models with it."""


class HeldElsewhere(Exception):  # noqa: N818 - another one is asked
    """Another platform runs this model."""

    def __init__(self, holder: Address) -> None:
        self.holder = holder
        super().__init__("another platform runs this model")


class ServedModel:
    """One model.

    Args:
        model: which.
        engine: the folder of llama.cpp.
        log_file: for what its process writes.
        tell: told how far a start is.
        idle_s: it is ended after so long without a request.
        lease: kept while it runs; None: it is shared with no other platform.
    """

    def __init__(
        self,
        model: LocalModel,
        engine: Path,
        log_file: Path,
        tell: Tell,
        idle_s: float = IDLE_S,
        lease: Lease | None = None,
    ) -> None:
        self.model = model
        self._engine = engine
        self._log_file = log_file
        self._tell = tell
        self._idle_s = idle_s
        self._lease = lease
        self._closed = False
        self._own = Address("", "", "")
        self._turn = asyncio.Lock()  # fair: first come, first served
        self._waiting = 0
        self._crashes = 0
        self._process: ModelProcess | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()
        # One connection a request: a server that breaks off leaves no half-dead one behind.
        limits = httpx.Limits(max_keepalive_connections=0)
        self.client = httpx.AsyncClient(trust_env=False, timeout=None, limits=limits)  # noqa: S113

    @property
    def pid(self) -> int | None:
        """The process that serves it, if one runs."""
        return self._process.pid if self._process else None

    def listens(self, base_url: str, key: str) -> None:
        """Say where other platforms can ask for it."""
        about = self.model
        named = f"{about.name} {about.file} {about.about.size_bytes} {about.context_tokens}"
        self._own = Address(base_url, key, named)

    def share_no_more(self) -> None:
        """Run it here too: the platform that runs it does not serve it to us."""
        log.warning(
            "another platform runs local model %s and does not answer: it is loaded here too",
            self.model.name,
        )
        self._give_back()
        self._lease = None

    def problem(self) -> str:
        """Why it cannot be served; "" when it can, as far as is known without loading it."""
        try:
            self._checked()
        except CapibaraError as why:
            return str(why)
        return ""

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[ModelProcess]:
        """Its running process, for one request; who comes meanwhile waits.

        Raises:
            TooManyWaiting: too many wait already.
            HeldElsewhere: another platform runs it.
            Ending: this platform ends.
            CapibaraError: it cannot be served.
        """
        if self._waiting >= WAITING_MAX:
            raise TooManyWaiting(f"{self._waiting} requests wait for {self.model.name!r} already")
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            self._stay()
            yield await self._running()
        finally:
            self._rest()
            self._turn.release()

    def answered(self) -> None:
        """Say that a request got its answer: crashes before it are forgiven."""
        self._crashes = 0

    async def broken(self) -> str:
        """Say that its process broke off; returns how it ended. It is started anew when wanted."""
        process, self._process = self._process, None
        if process is None:
            return "it has ended"
        self._crashes += 1
        await process.settled()
        why = process.why_ended()
        log.warning("the process of local model %s broke off: %s", self.model.name, why)
        await process.end()
        self._give_back()
        return why

    async def close(self) -> None:
        """End its process, and start no other."""
        self._closed = True
        self._stay()
        await self._ended()
        for task in tuple(self._ending):
            await task
        await self.client.aclose()

    def _checked(self) -> str:
        python = required_python(self._engine)
        file, known = self.model.file, self.model.about
        if not file.is_file() or file.stat().st_size != known.size_bytes:
            read_model_file(file)  # says what is wrong with it, if it is no other whole model
        return python

    async def _running(self) -> ModelProcess:
        if self._closed:
            raise Ending(f"the platform that held local model {self.model.name!r} is ending")
        process = self._process
        if process and not await process.is_well(self.client):
            await self.broken()
            process = None
        if process is None and self._crashes >= _CRASHES_MAX:
            self._crashes = 0  # whoever asks next may have mended it
            raise ServingFailed(
                f"Local model {self.model.name!r} crashed {_CRASHES_MAX} times without an answer; "
                f"its log: {self._log_file}"
            )
        return process or await self._started()

    async def _started(self) -> ModelProcess:
        name = self.model.name
        python = self._checked()
        holder = self._lease.take(self._own) if self._lease else None
        if holder:
            raise HeldElsewhere(holder)
        self._tell(0.0, f"Loading the local model {name} …")
        try:
            process = await ModelProcess.start(python, self.model, self._log_file)
        except BaseException as failure:
            self._give_back()
            self._crashes += isinstance(failure, ServingFailed)
            raise
        if self._closed:  # while it was loaded
            await process.end()
            self._give_back()
            raise Ending(f"the platform that loaded local model {name!r} is ending")
        self._process = process
        if missing := missing_walls(process.walls):
            log.warning("local model %s runs without: %s", name, ", ".join(missing))
        self._tell(1.0, f"The local model {name} is loaded.")
        return process

    async def _ended(self) -> None:
        process, self._process = self._process, None
        if process:
            await process.end()
            self._give_back()

    def _give_back(self) -> None:
        if self._lease:
            self._lease.give_back()

    def _stay(self) -> None:
        if self._idle:
            self._idle.cancel()
            self._idle = None

    def _rest(self) -> None:
        self._stay()
        self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._end_if_idle)

    def _end_if_idle(self) -> None:
        task = asyncio.create_task(self._ended_if_idle())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _ended_if_idle(self) -> None:
        if self._waiting or self._turn.locked():
            return
        async with self._turn:  # who comes now has to wait until it has ended
            await self._ended()
