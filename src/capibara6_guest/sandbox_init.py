"""PID 1 of a sandbox: takes its walls, serves the agent, adopts kernels, reaps orphans.

The server holds the other end of a control socket (one JSON packet a message, with descriptors):

    to us      {"adopt": context id, "cwd": path}, fds: kernel, stdout, stderr
               {"context": {"context_id", "language", "cwd"}}       one to start at its first use
               {"fork": context id}, fds: for its kernel, see `python_carry`
               {"env": {...}}                    variables for everything that is started later
               {"pause": true or false}          stop the clock, and with true the programs too
               {"resume": true}                  undo that
    from us    {"ready": true}, fd: the writable layer, if it is here; or {"failed": text}
               {"adopted": true}, {"forked": true}, {"paused": true}, {"resumed": true}

When the control socket closes, the server is gone and so is the sandbox.
"""

import array
import asyncio
import fcntl
import json
import os
import signal
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

from capibara6_guest.agent import Agent
from capibara6_guest.contexts import Contexts
from capibara6_guest.health import serve_health
from capibara6_guest.operations import operations
from capibara6_guest.pausing import PausableLoop, Programs
from capibara6_guest.spawn import limit_spawned_to, reap
from capibara6_guest.superuser import Superuser

_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 1
_PACKET_BYTES_MAX: Final = 128 * 1024
_FDS_MAX: Final = 16


def run(fds: list[int], wall_in: Callable[[], int], rlimits: Sequence[tuple[int, int]]) -> NoReturn:
    """Become the agent.

    Args:
        fds: the listener, the control socket and cgroup.procs files.
        wall_in: raises this process's own walls; returns a descriptor for the server, given
            away before anything of a guest has run.
        rlimits: of each program that is started, by resource.
    """
    control = socket.socket(fileno=fds[1])
    try:
        layer = wall_in()
    except OSError as cause:
        control.send(json.dumps({"failed": str(cause)}).encode())
        os._exit(1)
    limit_spawned_to(tuple(fds[2:]), rlimits)
    # The first process gets no signal from inside that it has no handler for, but asyncio would
    # replace Python's own for SIGINT: root of the sandbox could end it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with asyncio.Runner(loop_factory=PausableLoop) as runner:
        runner.run(serve(socket.socket(fileno=fds[0]), control, Contexts(), layer))
    os._exit(0)


async def serve(
    listener: socket.socket, control: socket.socket, contexts: Contexts, layer: int = -1
) -> None:
    """Serve calls and orders until the server is gone.

    Args:
        listener: of the gateway's calls.
        control: of the server's orders.
        contexts: where kernels live.
        layer: the writable layer, for the server; -1 if it has that from elsewhere.
    """
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    listener.setblocking(False)
    control.setblocking(False)
    loop.add_signal_handler(signal.SIGCHLD, reap)
    loop.add_reader(control, _take_order, control, contexts, gone, Programs())
    services = [asyncio.create_task(serve_health())]
    if os.getuid() == 0:  # of the sandbox; with a single id there is no other user to become
        services.append(asyncio.create_task(Superuser().serve()))
    serving = asyncio.create_task(Agent(operations(contexts)).serve(listener))
    socket.send_fds(control, [b'{"ready": true}'], [layer] if layer >= 0 else [])
    if layer >= 0:
        os.close(layer)
    await gone.wait()
    for service in (serving, *services):
        service.cancel()


def _take_order(
    control: socket.socket, contexts: Contexts, gone: asyncio.Event, programs: Programs
) -> None:
    packet, fds, _, _ = socket.recv_fds(control, _PACKET_BYTES_MAX, _FDS_MAX)
    if not packet:
        gone.set()
        return
    order: dict[str, Any] = json.loads(packet)
    if "adopt" in order:
        contexts.adopt(order["adopt"], order["cwd"], fds, order.get("notice", ""))
        control.send(b'{"adopted": true}')
    if "context" in order:
        contexts.name(**order["context"])
    if "fork" in order:
        contexts.fork(order["fork"], fds, control)
    if "env" in order:
        contexts.set_environment(order["env"])
    if "pause" in order:
        control.send(_pause(programs, with_programs=order["pause"]))
    if "resume" in order:
        programs.go_on()
        _clock().continue_time()
        control.send(b'{"resumed": true}')


def _pause(programs: Programs, *, with_programs: bool) -> bytes:
    try:
        if with_programs:
            programs.stop()
    except RuntimeError as cause:
        return json.dumps({"failed": str(cause)}).encode()
    _clock().stop_time()
    return b'{"paused": true}'


def _clock() -> PausableLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, PausableLoop)
    return loop


def raise_loopback() -> None:
    """Bring the network namespace's own loopback interface up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = array.array("b", struct.pack("16sH22x", b"lo", 0))
        fcntl.ioctl(probe, _SIOCGIFFLAGS, request, True)
        flags = struct.unpack_from("16sH", request)[1]
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | _IFF_UP))


async def rehearse() -> None:
    """Run what every agent runs at its start, once before the forks.

    A function's first run fills caches in the interpreter's memory: filled before the fork, they
    are shared by all sandboxes instead of private to each.
    """
    loop = asyncio.get_running_loop()
    contexts = Contexts()
    loop.add_signal_handler(signal.SIGCHLD, reap)
    loop.remove_signal_handler(signal.SIGCHLD)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours, theirs, listener:
        ours.send(json.dumps({"env": {"PATH": os.defpath}}).encode())
        _take_order(theirs, contexts, asyncio.Event(), Programs())
        await _rehearse_adoption(ours, theirs, contexts)
        serving = asyncio.create_task(Agent(operations(contexts)).serve(listener))
        await asyncio.sleep(0)
        serving.cancel()


async def _rehearse_adoption(
    ours: socket.socket, theirs: socket.socket, contexts: Contexts
) -> None:
    kernel, agent_side = socket.socketpair()
    nothing = os.open(os.devnull, os.O_RDONLY)
    with kernel, agent_side:
        context = {"context_id": "rehearsal", "language": "javascript", "cwd": "/"}
        ours.send(json.dumps({"context": context}).encode())
        _take_order(theirs, contexts, asyncio.Event(), Programs())
        adoption = json.dumps({"adopt": "rehearsal", "cwd": "/"}).encode()
        socket.send_fds(ours, [adoption], [agent_side.fileno(), nothing, nothing])
        _take_order(theirs, contexts, asyncio.Event(), Programs())
        await contexts.end()
    os.close(nothing)
