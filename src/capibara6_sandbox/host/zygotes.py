"""The server's side of zygotes: starting them, and asking them for forks."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

import capibara6_sandbox
from capibara6_sandbox.isolation.views import GUEST_PACKAGES
from capibara6_sandbox.templates.build import BuiltEnvironment
from capibara6_sandbox.templates.skeleton import PATH
from capibara6_sandbox.zygote.channel import Channel
from capibara6_sandbox.zygote.nursery import CHANNEL_FD

START_TIMEOUT_S: Final = 120.0
_END_GRACE_S: Final = 5.0

# BLAS and OpenMP make their threads when first used, after the fork; one is right for a share of a
# processor, and programs may raise it. Unbuffered output keeps the zygote's own messages in order.
_ZYGOTE_ENVIRONMENT: Final = {
    "PATH": PATH,
    "HOME": "/home/user",
    "LANG": "C.UTF-8",
    "PYTHONPATH": GUEST_PACKAGES,
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MPLCONFIGDIR": "/tmp/matplotlib",  # noqa: S108 - in the zygote's own tmpfs
}


class ZygoteError(Exception):
    """A zygote refused a request, could not start, or is gone."""


class ZygoteClient:
    """Requests to one zygote, answered in order."""

    def __init__(self, end: socket.socket, pidfd: int, name: str) -> None:
        end.setblocking(False)
        self._socket = end
        self._channel = Channel(end)
        self._pidfd = pidfd
        self._name = name
        self._waiting: deque[asyncio.Future[tuple[dict[str, Any], list[int]]]] = deque()
        self._turn = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(end, self._on_reply)
        self.closed = False

    async def ready(self) -> Self:
        """Wait for the zygote's first message.

        Raises:
            ZygoteError: it could not start, with its reason; nothing is left of it.
        """
        try:
            return await self._first_message()
        except BaseException:  # nobody else knows of it
            await asyncio.shield(self.close())
            raise

    async def _first_message(self) -> Self:
        waiting = self._expect_reply()
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                message, _ = await waiting
        except TimeoutError:
            raise ZygoteError(f"{self._name} did not start in {START_TIMEOUT_S:.0f} s") from None
        if "error" in message:
            raise ZygoteError(f"{self._name} could not start: {message['error']}")
        return self

    async def request(
        self, message: dict[str, Any], fds: Sequence[int]
    ) -> tuple[dict[str, Any], list[int]]:
        """Send a request with copies of `fds`; return the reply and its descriptors.

        Raises:
            ZygoteError: the zygote refused, or is gone.
            ValueError: the message is too large.
        """
        if self.closed:
            raise ZygoteError(f"{self._name} is gone")
        async with self._turn:
            await self._send(message, fds)
            waiting = self._expect_reply()  # only now: what was not sent is not answered
        try:
            reply, reply_fds = await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and not waiting.exception():
                _end_forks(waiting.result()[1])  # in the moment that it came
            raise
        if "error" in reply:
            raise ZygoteError(f"{self._name}: {reply['error']}")
        return reply, reply_fds

    def _expect_reply(self) -> "asyncio.Future[tuple[dict[str, Any], list[int]]]":
        waiting = self._loop.create_future()
        self._waiting.append(waiting)
        return waiting

    async def _send(self, message: dict[str, Any], fds: Sequence[int]) -> None:
        while True:
            try:
                self._channel.send(message, fds)
            except BlockingIOError:  # a burst of requests: wait for the zygote to catch up
                await asyncio.sleep(0.001)
            except OSError as cause:
                raise ZygoteError(f"{self._name} is gone ({cause})") from None
            else:
                return

    def _on_reply(self) -> None:
        try:
            received = self._channel.receive()
        except BlockingIOError:
            return
        except OSError:
            received = None
        if received is None:
            self._lose()
            return
        waiting = self._waiting.popleft()
        if waiting.done():  # cancelled: nobody wants the fork any more, so end it
            _end_forks(received[1])
        else:
            waiting.set_result(received)

    def _lose(self) -> None:
        self.closed = True
        self._loop.remove_reader(self._socket)
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_exception(ZygoteError(f"{self._name} ended"))
        self._waiting.clear()

    @property
    def pidfd(self) -> int:
        """Its process; -1 once it has ended."""
        return self._pidfd

    async def close(self) -> None:
        """End the zygote and wait until it is gone. Idempotent."""
        if self._pidfd < 0:
            return
        if not self.closed:
            self._lose()
        self._channel.close()
        await wait_for_exit(self._pidfd, _END_GRACE_S)
        reap(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1


def _end_forks(fds: Sequence[int]) -> None:
    for fd in fds:
        with contextlib.suppress(OSError):  # it has ended, or is a socket and no process
            signal.pidfd_send_signal(fd, signal.SIGKILL)
        os.close(fd)


async def wait_for_exit(pidfd: int, grace_s: float) -> None:
    """Wait until the process of `pidfd` has ended; kill it after `grace_s`."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    loop.add_reader(pidfd, _resolve, ended)
    try:
        try:
            async with asyncio.timeout(grace_s):
                await asyncio.shield(ended)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            await ended
    finally:
        loop.remove_reader(pidfd)


def reap(pidfd: int) -> None:
    """Forget a child that has ended; others are none of ours."""
    with contextlib.suppress(ChildProcessError):  # only the nursery is our own child
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)


@contextlib.contextmanager
def closed_on_failure(end: socket.socket) -> Iterator[None]:
    """Close `end` if the block fails; else it is owned by what the block has made."""
    try:
        yield
    except BaseException:
        end.close()
        raise


def _resolve(ended: "asyncio.Future[None]") -> None:
    if not ended.done():
        ended.set_result(None)


async def start_nursery(
    view: Path,
    templates: Path,
    layers: Path,
    volumes: Path,
    python_prefixes: Sequence[str],
    *,
    privileged: bool,
) -> ZygoteClient:
    """Start the process that forks sandboxes.

    Raises:
        ZygoteError: this machine refuses the namespaces or mounts it needs; the message says which.
    """
    packages = Path(capibara6_sandbox.__file__).parent.parent
    setup = {
        "view": str(view),
        "templates": str(templates),
        "layers": str(layers),
        "volumes": str(volumes),
        "packages": str(packages),
        "python_prefixes": list(python_prefixes),
        "privileged": privileged,
    }
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, closed_on_failure(ours):
        pid = _spawn_with_channel(
            ["-m", "capibara6_sandbox.zygote.nursery", json.dumps(setup)], theirs, packages
        )
    return await ZygoteClient(ours, os.pidfd_open(pid), "the nursery").ready()


def _spawn_with_channel(arguments: list[str], end: socket.socket, packages: Path) -> int:
    """Start a Python with nothing of our environment but the path, and `end` as its channel."""
    return os.posix_spawn(
        sys.executable,
        [sys.executable, *arguments],
        {"PATH": os.defpath, "PYTHONPATH": str(packages), "LANG": "C.UTF-8"},
        file_actions=[(os.POSIX_SPAWN_DUP2, end.fileno(), CHANNEL_FD)],
        setsid=True,
    )


async def start_kernel_zygote(nursery: ZygoteClient, built: BuiltEnvironment) -> ZygoteClient:
    """Start the process that forks kernels of one environment; takes seconds (imports).

    Raises:
        ZygoteError: an import of the template failed.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    preload = " ".join(built.environment.preload)
    with theirs, closed_on_failure(ours):
        _, (pidfd,) = await nursery.request(
            {
                "op": "zygote",
                "template": built.id,
                "python_prefix": built.python_prefix,
                "environment": {**_ZYGOTE_ENVIRONMENT, "CAPIBARA6_PRELOAD": preload},
            },
            [theirs.fileno()],
        )
    return await ZygoteClient(ours, pidfd, f"the zygote of {built.environment.name}").ready()
