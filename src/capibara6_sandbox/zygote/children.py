"""The main loop that zygotes share: serve one channel, and end with the server."""

import os
import signal
from collections.abc import Callable
from typing import Any

from capibara6_sandbox.isolation import linux
from capibara6_sandbox.zygote.channel import Channel

Handler = Callable[[dict[str, Any], list[int]], tuple[dict[str, Any], list[int]]]


def serve(channel: Channel, handle: Handler) -> None:
    """Answer requests until the server closes the channel.

    `handle` returns the reply and the descriptors to send with it; an OSError or ValueError of its
    becomes the reply {"error": str}. All descriptors that came or went are closed here. A forked
    child leaves `handle` only by ending its process.

    Nobody here asks how a child ended, so the kernel may reap them: a sandbox's end then does not
    wait for a zygote that is busy with a fork.
    """
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while (received := channel.receive()) is not None:
        message, fds = received
        reply_fds: list[int] = []
        try:
            reply, reply_fds = handle(message, fds)
        except (OSError, ValueError) as cause:
            reply = {"error": str(cause)}
        channel.send(reply, reply_fds)
        for fd in (*fds, *reply_fds):
            os.close(fd)


def forget_signals() -> None:
    """Undo in a forked child what `serve` set up in its parent."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
