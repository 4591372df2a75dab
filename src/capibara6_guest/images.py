"""The operation that unpacks a layer of an image; the work is done in a fork, see `unpacking`."""

import asyncio
import json
import os
import signal
import socket
from typing import Any, NoReturn

from capibara6_guest.agent import Call
from capibara6_guest.spawn import join_limits
from capibara6_guest.unpacking import Unpacking
from capibara6_guest.wire import CallError

_REPORT_BYTES_MAX = 64 * 1024


async def unpack(call: Call) -> dict[str, Any]:
    """image.unpack {}, DATA*, END -> {entries, skipped}. The data is one uncompressed archive.

    The work ends with its input, also when the caller leaves; half of a layer is then left.
    """
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        _work(theirs)
    theirs.close()
    ours.setblocking(False)
    with ours:
        return await _feed(call, ours)


async def _feed(call: Call, child: socket.socket) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    refused = False
    async for piece in call.body():
        if not refused:  # what comes after a refusal is dropped, so that the reason gets through
            try:
                await loop.sock_sendall(child, piece)
            except ConnectionError:
                refused = True
                await call.send({"refused": True})
    if not refused:
        child.shutdown(socket.SHUT_WR)
    report = await loop.sock_recv(child, _REPORT_BYTES_MAX)
    answer = json.loads(report) if report else {"error": "it took too much memory, or was ended"}
    if "error" in answer:
        raise CallError("invalid_argument", str(answer["error"]))
    return dict(answer)


def _work(end: socket.socket) -> NoReturn:
    """Unpack what comes and report; in a fork, which must not return."""
    try:
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        join_limits()
        os.umask(0o022)
        with end.makefile("rb") as archive:
            answer: dict[str, Any] = Unpacking().run(archive)
    except BaseException as failure:  # noqa: BLE001 - a stranger's archive can raise anything
        answer = {"error": f"{type(failure).__name__}: {failure}"[:1000]}
    try:
        end.sendall(json.dumps(answer).encode())
    finally:
        os._exit(0)
