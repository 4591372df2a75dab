"""What zygotes share: the main loop, which serves one channel, and how their forks begin."""

import os
import signal
import socket
import traceback
from collections.abc import Callable
from typing import Any, Final, NoReturn

from capibara6_sandbox.isolation import linux
from capibara6_sandbox.zygote.channel import Channel

MOUNTS_MAX: Final = 64  # of the layers and volumes of one sandbox

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


def pass_gate(gate: socket.socket, become: Callable[[list[int]], None]) -> NoReturn:
    """In a fork: wait for the maps of ids and the mounts, then become what it is to be."""
    try:
        forget_signals()
        opened, mounts, _, _ = socket.recv_fds(gate, 1, MOUNTS_MAX)
        if opened:
            become(mounts)
    except BaseException:  # noqa: BLE001 - whatever happens, the fork must not return
        traceback.print_exc()
    finally:
        os._exit(1)
