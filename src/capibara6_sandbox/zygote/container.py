"""The first process of a sandbox that a container runtime runs: starts the runtime, and watches it.

It is a fork of the nursery in namespaces of its own, so that with it everything of the runtime
ends, however either of them ends. The server holds the other end of a channel:

    from us    {"running": true}, fds: the writable layer, the folder of the agent's socket;
               or {"error": text}: it could not start
    to us      {"verb": "pause" | "resume" | "state"}      -> {} or {"error": text}
    from us    {"ended": text}: the container has ended, and why

Standard library only, single-threaded. What the runtime prints is kept for that text, no more.
"""

import json
import os
import select
import signal
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from capibara6_guest.filtering import FILTER_NAME
from capibara6_guest.location import IN_SANDBOX
from capibara6_guest.sandbox_init import raise_loopback
from capibara6_sandbox.isolation import identity, linux, oci, seccomp
from capibara6_sandbox.isolation.container_root import (
    AGENT,
    BUNDLE,
    ROOT,
    STATE,
    enter_container_host,
)
from capibara6_sandbox.isolation.rootfs import Root
from capibara6_sandbox.isolation.runtimes import PROGRAM_PATH, find_runtime
from capibara6_sandbox.zygote.channel import Channel

AGENT_FOLDER: Final = "/run/capibara6-agent"  # inside
_ID: Final = "sandbox"
_PID_FILE: Final = "/run/pid"
_START_S_MAX: Final = 30.0
_COMMAND_S_MAX: Final = 10.0
_TAIL_BYTES: Final = 4096
_READ_BYTES: Final = 64 * 1024
_AGENT: Final = (
    f"import sys; sys.path.insert(0, {str(IN_SANDBOX.parent)!r}); "
    "from capibara6_guest.container_init import main; main(sys.argv[1])"
)
_VERBS: Final = ("pause", "resume", "state")


@dataclass(frozen=True, slots=True)
class Order:
    """What the server asks for, beside the root."""

    runtime: str  # its name
    python: str  # the interpreter of the agent, as the container sees it
    volumes: tuple[tuple[str, str], ...] = ()  # name of each one's folder, and where it shall be


class Container:
    """A container, from its runtime's start to its end."""

    def __init__(self, order: Order, root: Root, channel: Channel) -> None:
        self._order = order
        self._runtime = find_runtime(order.runtime)
        self._root = root
        self._channel = channel
        self._said = bytearray()

    def run(self, control: int, joins: Sequence[int], layer: int, agent: int) -> None:
        """Start it, tell the server, and serve until it has ended or the server is gone.

        Args:
            control: the agent's end of its control channel, which becomes its standard input.
            joins: open files through which the runtime joins the sandbox's cgroups.
            layer: the writable layer, for the server.
            agent: the folder of the agent's socket, for the server.
        """
        reading, writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(reading, False)
        try:
            raise_loopback()
            self._write_bundle()
            pid = self._start(control, writing, joins)
        except (OSError, subprocess.SubprocessError, ValueError) as cause:
            self._hear(reading)
            self._channel.send({"error": f"{self._runtime.program}: {self._words() or cause}"})
            return
        for fd in (control, writing, *joins):
            os.close(fd)
        self._channel.send({"running": True}, [layer, agent])
        os.close(layer)
        os.close(agent)
        self._watch(pid, reading)

    def _write_bundle(self) -> None:
        folders = [oci.Folder(AGENT, AGENT_FOLDER)]
        if self._runtime.own_kernel:  # gVisor would put a tmpfs there, of no size and never saved
            folders.append(oci.Folder(f"{ROOT}/tmp", "/tmp"))  # noqa: S108
        folders += [
            oci.Folder(f"/volumes/{number}", path)
            for number, (_, path) in enumerate(self._order.volumes)
        ]
        described = oci.build_config(
            oci.Container(
                root=ROOT,
                host_name=self._root.host_name,
                arguments=(self._order.python, "-ISB", "-c", _AGENT, AGENT_FOLDER),
                environment=(f"PATH={PROGRAM_PATH}", "LANG=C.UTF-8"),
                shm_bytes=self._root.shm_bytes,
                open_files=identity.open_files(),
                folders=folders,
            )
        )
        Path(BUNDLE, "config.json").write_text(json.dumps(described))
        Path(AGENT, FILTER_NAME).write_bytes(seccomp.build_filter())

    def _start(self, control: int, said: int, joins: Sequence[int]) -> int:
        """Start the container; return the process that lives as long as it does."""

        def join() -> None:
            for fd in joins:
                os.write(fd, b"0")

        options = ("--detach", "--bundle", BUNDLE, "--pid-file", _PID_FILE, _ID)
        subprocess.run(  # noqa: S603 - our own arguments
            self._runtime.command(STATE, "run", *options),
            stdin=control,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env={"PATH": PROGRAM_PATH},
            preexec_fn=join,
            timeout=_START_S_MAX,
            check=True,
        )
        return int(Path(_PID_FILE).read_text())

    def _watch(self, pid: int, said: int) -> None:
        process = os.pidfd_open(pid)
        poll = select.poll()
        for fd in (process, said, self._channel.fileno()):
            poll.register(fd, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if said in ready and not self._hear(said):
                poll.unregister(said)
            if process in ready:
                self._hear(said)
                self._channel.send({"ended": self._reason(pid)})
                return
            if self._channel.fileno() in ready:
                received = self._channel.receive()
                if received is None:
                    return
                self._channel.send(self._obey(str(received[0].get("verb"))))

    def _hear(self, said: int) -> bool:
        """Keep the end of what the runtime prints; return whether there may be more."""
        try:
            data = os.read(said, _READ_BYTES)
        except BlockingIOError:
            return True
        self._said += data
        del self._said[:-_TAIL_BYTES]
        return bool(data)

    def _reason(self, pid: int) -> str:
        try:
            status = os.waitpid(pid, 0)[1]
        except ChildProcessError:
            status = 0
        code = os.waitstatus_to_exitcode(status)
        text = f"exited with status {code}" if code >= 0 else f"was ended by {_signal_name(-code)}"
        said = self._words()
        return f"{self._runtime.program} {text}" + (f": {said}" if said else "")

    def _words(self) -> str:
        """Return the end of what the runtime has printed, as one line."""
        return " ".join(self._said.decode(errors="replace").split())

    def _obey(self, verb: str) -> dict[str, Any]:
        if verb not in _VERBS:
            return {"error": f"no order {verb!r}"}
        try:
            done = subprocess.run(  # noqa: S603 - our own arguments
                self._runtime.command(STATE, verb, _ID),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={"PATH": PROGRAM_PATH},
                timeout=_COMMAND_S_MAX,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as cause:
            return {"error": f"{self._runtime.program} {verb}: {cause}"}
        said = done.stdout[-_TAIL_BYTES:].decode(errors="replace").strip()
        if done.returncode:
            return {"error": f"{self._runtime.program} {verb}: {said}"}
        return {"said": said}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def become_container(order: Order, root: Root, fds: Sequence[int], mounts: Sequence[int]) -> None:
    """Be the first process of a container, until it has ended; in new namespaces, as their root.

    Args:
        order: how it is run.
        root: its root.
        fds: the agent's end of its control channel, the channel to the server, cgroup.procs files.
        mounts: of its layers, then of its volumes.
    """
    linux.set_process_name("c6-container")
    linux.close_all_except({0, 1, 2, *fds, *mounts})
    control, server, *joins = fds
    channel = Channel(socket.socket(fileno=server))
    identity.become(0)
    os.setsid()
    try:
        own_kernel = find_runtime(order.runtime).own_kernel
        layer, agent = enter_container_host(
            root, mounts, len(order.volumes), cgroups=not own_kernel
        )
    except OSError as cause:
        channel.send({"error": str(cause)})
        return
    identity.open_many_files()
    Container(order, root, channel).run(control, joins, layer, agent)
