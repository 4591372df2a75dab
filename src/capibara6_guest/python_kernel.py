"""The Python kernel: runs cells in the process that a kernel zygote forked, and nothing else.

It talks JSON lines on one socket with the agent, one request at a time; `env` holds for the
request, `environment` for good:

    to us      {"code": str, "env": {str: str}, "environment": {str: str}}
               {"fork": true}, with descriptors    see `python_carry`
    from us    {"pid": int} once, events in E2B's form, and {"end": true} after each request

Standard output and error are pipes that the agent reads, so that child processes and C code are
heard too. The process belongs to the user's code: nothing in it is trusted by the agent.
"""

import asyncio
import contextlib
import io
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, Final, NoReturn

from capibara6_guest import python_carry

_INTERRUPT: Final = {signal.SIGINT}
_READ_BYTES: Final = 64 * 1024


class Connection:
    """The kernel's socket. Made before the fork, so that the shell can publish through it."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._unread = bytearray()
        self.fds: list[int] = []  # that came with the last request; whoever serves it owns them

    def open(self, fd: int) -> None:
        """Take the forked process's own socket and say hello."""
        self._socket = socket.socket(fileno=fd)
        self._unread.clear()
        self.publish({"pid": os.getpid()})

    def publish(self, event: dict[str, Any]) -> None:
        """Send one event, whole: an interrupt waits until it is sent."""
        if self._socket is None:  # still in the zygote
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPT)
        try:
            self._socket.sendall(json.dumps(event).encode() + b"\n")
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def receive(self) -> dict[str, Any]:
        """Wait for the next request.

        Raises:
            EOFError: the agent is gone.
        """
        assert self._socket is not None
        while b"\n" not in self._unread:
            data, fds, _, _ = socket.recv_fds(self._socket, _READ_BYTES, python_carry.FDS)
            self.fds += fds
            if not data:
                raise EOFError("the agent closed the socket")
            self._unread += data
        line, _, rest = self._unread.partition(b"\n")
        self._unread = bytearray(rest)
        request: dict[str, Any] = json.loads(line)
        return request

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno() if self._socket is not None else -1


def rehearse() -> None:
    """Run what every kernel runs at its start, once before the forks, as agents do."""
    ours, theirs = socket.socketpair()
    connection = Connection()
    with ours:
        connection.open(theirs.detach())
        ours.sendall(b'{"code": "", "env": {}, "environment": {}}\n')
        connection.receive()
        connection.close()
    _set_environment({})
    OutputStream(1, "stdout")


class PythonKernel:
    """Serves requests with one IPython shell."""

    def __init__(self, shell: Any, connection: Connection, enter: python_carry.Enter) -> None:
        self._enter = enter
        self._shell = shell
        self._connection = connection
        self._runner: asyncio.Runner | None = None
        shell.loop_runner = self._run_coroutine

    def _run_coroutine(self, cell: Coroutine[Any, Any, Any]) -> Any:
        """Run a cell with top-level await, in one loop for all cells; an interrupt cancels it."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(cell)

    def _run_tasks_until_request(self) -> None:
        """Let tasks that cells have left behind go on while no request waits."""
        if self._runner is None:
            return
        loop = self._runner.get_loop()
        if asyncio.all_tasks(loop):
            readable = loop.create_future()
            loop.add_reader(self._connection.fileno(), _resolve, readable)
            try:
                loop.run_until_complete(readable)
            finally:
                loop.remove_reader(self._connection.fileno())

    def serve(self) -> None:
        """Run cells until the agent is gone."""
        while True:
            self._run_tasks_until_request()
            try:
                request = self._connection.receive()
            except EOFError:
                return
            if "fork" in request:
                self._fork()
                continue
            os.environ.update(request["environment"])
            self._run(str(request["code"]), request["env"])
            self._connection.publish({"end": True})

    def _fork(self) -> None:
        """Let a copy of this process go on as the kernel of another sandbox."""
        fds, self._connection.fds = self._connection.fds, []
        tasks = self._runner is not None and bool(asyncio.all_tasks(self._runner.get_loop()))
        own = self._connection.fileno()
        kernel = python_carry.carry(fds, own, self._enter, tasks=tasks)
        if kernel < 0:
            self._connection.publish({"end": True})
            return
        self._runner = None
        sys.stdout, sys.stderr = OutputStream(1, "stdout"), OutputStream(2, "stderr")
        self._connection.open(kernel)

    def _run(self, code: str, env: Mapping[str, str]) -> None:
        before = _set_environment(env)
        _forget_interrupts()  # before the event that lets the agent send one for this cell
        try:
            count = self._shell.execution_count
            self._connection.publish({"type": "number_of_executions", "execution_count": count})
            with _interruptible():
                self._shell.run_cell(code, store_history=True)
        except KeyboardInterrupt:  # it came between the cell's last step and our own
            self._shell.showtraceback()
        finally:
            _restore_environment(before)
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(ValueError, OSError, AttributeError):  # the user's by now
                    stream.flush()


def _resolve(readable: "asyncio.Future[None]") -> None:
    if not readable.done():
        readable.set_result(None)


def _forget_interrupts() -> None:
    """Drop what waits of the cell before, and whatever handler that has left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGINT, also one that waits, raise KeyboardInterrupt inside the block."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPT)


def _set_environment(env: Mapping[str, str]) -> dict[str, str | None]:
    before = {name: os.environ.get(name) for name in env}
    os.environ.update(env)
    return before


def _restore_environment(before: Mapping[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


class OutputStream(io.TextIOWrapper):
    """Standard output or error: a line is sent when it ends, the rest when the cell does."""

    def __init__(self, fd: int, name: str) -> None:
        raw = io.FileIO(fd, "w", closefd=False)
        buffer = io.BufferedWriter(raw, 64 * 1024)
        super().__init__(buffer, "utf-8", "backslashreplace", "\n", line_buffering=True)
        self._name = name

    @property
    def name(self) -> str:
        """The name that tracebacks and libraries show."""
        return f"<{self._name}>"


def run(
    shell: Any,
    connection: Connection,
    fds: tuple[int, int, int],
    cwd: str,
    after_fork: Callable[[Any], None],
    enter: python_carry.Enter,
) -> NoReturn:
    """Become a kernel on `fds` (socket, stdout, stderr) in `cwd`; called in the forked process."""
    kernel_fd, out, err = fds
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    for number, fd in enumerate((nothing, out, err)):
        os.dup2(fd, number)
        os.close(fd)
    sys.stdout, sys.stderr = OutputStream(1, "stdout"), OutputStream(2, "stderr")
    os.chdir(cwd)
    _see_user_packages()
    after_fork(shell)
    signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPT)
    connection.open(kernel_fd)
    PythonKernel(shell, connection, enter).serve()
    os._exit(0)


def _see_user_packages() -> None:
    """Find what `pip install --user` has installed, which no zygote has seen."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    path = os.path.expanduser(f"~/.local/lib/{version}/site-packages")
    if os.path.isdir(path) and path not in sys.path:
        sys.path.append(path)
