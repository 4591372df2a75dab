"""One process that serves one model: started behind its walls, asked whether it is well, ended."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
from importlib import resources
from pathlib import Path
from typing import Any, Final

import httpx

from capibara6.local_models.registry import LocalModel
from capibara6.local_models.replies import Nonsense, report
from capibara6.local_models.room import check_fits, data_bytes_max

_START_S_MIN: Final = 60.0
_START_BYTES_PER_S: Final = 30_000_000  # a slow disk
_ANSWER_S_MAX: Final = 5.0
_SETTLE_S_MAX: Final = 1.0
_END_S_MAX: Final = 2.0
_TAIL_LINES: Final = 4
_REPORT_BYTES_MAX: Final = 64 * 1024
_THREADS_MAX: Final = 8
_SEED: Final = 42  # answers can be had again
_ALL_WALLS: Final = ("limits", "landlock", "seccomp")
_ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "TZ")
# Threads wait for each other some 50 µs awake, then asleep: libgomp's own count for processors that
# are shared. Its other one, of milliseconds, stops a small model where others compute (ADR 49).
_THREADING: Final = {"GOMP_SPINCOUNT": "1000"}


class ServingFailed(Exception):  # noqa: N818 - told to the client as an error of the endpoint
    """A model's process does not start, or ended."""

    code = "model_crashed"


class ModelProcess:
    """A running process; make one with `start`.

    Attributes:
        base_url: of llama.cpp's server, known to our endpoint only.
        walls: those that stand around it.
    """

    def __init__(self, process: asyncio.subprocess.Process, model: LocalModel, log: Path) -> None:
        self._process = process
        self._model = model
        self._log = log
        self._key = secrets.token_urlsafe(32)
        self.base_url = ""
        self.walls: tuple[str, ...] = ()

    @classmethod
    async def start(cls, python: str, model: LocalModel, log: Path) -> "ModelProcess":
        """Start one and wait until it has loaded the model and answers.

        Raises:
            ModelFileError: there is no room for the model now.
            ServingFailed: it ended, or said nothing in time; the message has the end of its log.
        """
        check_fits(model, now=True)
        # Bound here, before the process leaves the network: it can accept there and nothing else.
        listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        with listener, _opened(log) as log_fd:
            process = await _spawned(python, listener.fileno(), log_fd)
            self = cls(process, model, log)
            self.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            try:
                await self._begin(listener.fileno())
            except BaseException:
                await self.end()
                raise
        return self

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def headers(self) -> dict[str, str]:
        """What opens its server."""
        return {"authorization": f"Bearer {self._key}"}

    @property
    def has_ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process.returncode is not None

    async def settled(self) -> None:
        """Wait a moment: its end may be behind that of its connections."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_S_MAX):
                await self._process.wait()

    def why_ended(self) -> str:
        """How it ended, in words, with the end of its log."""
        status = self._process.returncode
        if status is not None and status < 0:
            how = f"it was killed by {signal.Signals(-status).name}"
        else:
            how = f"it ended with status {status}" if status is not None else "it does not answer"
        said = " / ".join(self._tail())
        return f"{how}: {said}" if said else how

    async def is_well(self, client: httpx.AsyncClient) -> bool:
        """Whether it answers; not to be asked while it generates: llama.cpp's server waits then."""
        if self.has_ended:
            return False
        asking = client.stream(
            "GET", f"{self.base_url}/v1/models", headers=self.headers, timeout=_ANSWER_S_MAX
        )
        try:
            async with asking as reply:
                return reply.status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    async def end(self) -> None:
        """End it: by the end of its input, else by a kill. Takes its exit status."""
        stdin = self._process.stdin
        if stdin is not None:
            stdin.close()
        try:
            async with asyncio.timeout(_END_S_MAX):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _begin(self, listener: int) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        order = {
            "name": self._model.name,
            "model": str(self._model.file),
            "context_tokens": self._model.context_tokens,
            "threads": min(len(os.sched_getaffinity(0)), _THREADS_MAX),
            "data_bytes": data_bytes_max(self._model),
            "seed": _SEED,
            "key": self._key,
            "listener": listener,
            "parent": os.getpid(),
        }
        limit_s = _START_S_MIN + self._model.about.size_bytes / _START_BYTES_PER_S
        try:
            async with asyncio.timeout(limit_s):
                stdin.write(json.dumps(order).encode() + b"\n")
                await self._until_ready()
        except TimeoutError:
            raise self._failed(f"it was not ready within {limit_s:.0f} s") from None
        except ConnectionError:
            await self._process.wait()
            raise self._failed(self.why_ended()) from None
        except Nonsense as nonsense:
            raise self._failed(str(nonsense)) from None

    async def _until_ready(self) -> None:
        while True:
            told = await self._report()
            if "failed" in told:
                said = " / ".join(self._tail())
                raise self._failed(f"llama.cpp cannot load it: {told['failed']} ({said})")
            self.walls = tuple(map(str, told.get("walls", self.walls)))
            if told.get("ready"):
                return

    async def _report(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        try:
            line = await self._process.stdout.readline()
        except ValueError:  # longer than a report can be
            raise Nonsense("its report has no end") from None
        if not line:
            await self._process.wait()
            raise self._failed(self.why_ended())
        return report(line)

    def _failed(self, what: str) -> ServingFailed:
        return ServingFailed(
            f"Local model {self._model.name!r} cannot be served: {what}. Its log: {self._log}"
        )

    def _tail(self) -> list[str]:
        lines = self._log.read_bytes()[-4096:].decode(errors="replace").splitlines()
        return [line.strip()[:200] for line in lines if line.strip()][-_TAIL_LINES:]


def missing_walls(walls: tuple[str, ...]) -> tuple[str, ...]:
    """Which walls this machine does not offer; the namespace only doubles what seccomp does."""
    return tuple(wall for wall in _ALL_WALLS if wall not in walls)


@contextlib.contextmanager
def _opened(log: Path):  # type: ignore[no-untyped-def]
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


async def _spawned(python: str, listener: int, log: int) -> asyncio.subprocess.Process:
    with resources.as_file(resources.files("capibara6.local_models.inside")) as folder:
        return await asyncio.create_subprocess_exec(
            python,
            "-I",  # nothing of the user's folder or environment is imported
            str(folder / "launch.py"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            pass_fds=(listener,),
            limit=_REPORT_BYTES_MAX,
            start_new_session=True,  # a Ctrl-C is ours to handle
            env=_THREADING | {one: os.environ[one] for one in _ENVIRONMENT if one in os.environ},
        )
