"""The main loop that zygotes share: serve one channel, reap children, end with the server."""

import contextlib
import os
import select
import signal
from collections.abc import Callable
from typing import Any

from capibara6_sandbox.isolation import linux
from capibara6_sandbox.zygote.channel import Channel

Handler = Callable[[dict[str, Any], list[int]], tuple[dict[str, Any], list[int]]]


def serve(channel: Channel, handle: Handler) -> None:
    """Answer requests until the server closes the channel; reap whatever ends meanwhile.

    `handle` returns the reply and the descriptors to send with it; an OSError or ValueError of its
    becomes the reply {"error": str}. All descriptors that came or went are closed here. A forked
    child leaves `handle` only by ending its process.
    """
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    wake = _wake_on_child()
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    poll.register(wake, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 512)
            _reap()
        if channel.fileno() in ready and not _answer(channel, handle):
            return


def _wake_on_child() -> int:
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reading


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _answer(channel: Channel, handle: Handler) -> bool:
    received = channel.receive()
    if received is None:
        return False
    message, fds = received
    reply_fds: list[int] = []
    try:
        reply, reply_fds = handle(message, fds)
    except (OSError, ValueError) as cause:
        reply = {"error": str(cause)}
    channel.send(reply, reply_fds)
    for fd in (*fds, *reply_fds):
        os.close(fd)
    return True


def forget_signals() -> None:
    """Undo in a forked child what `serve` set up in its parent."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
