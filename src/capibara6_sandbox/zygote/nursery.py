"""The nursery: the process from which sandboxes are forked, and which starts kernel zygotes.

    python -m capibara6_sandbox.zygote.nursery SETUP_JSON     channel on descriptor 3

It holds a small Python and the guest agent, already imported, so that a fork is cheap; a sandbox's
PID 1 is such a fork in seven new namespaces. The nursery is itself the first process of a PID
namespace that holds all sandboxes and zygotes: when it ends, however it ends, the kernel ends them
all, so that a server killed with -9 leaves no process. Requests ("op"):

    sandbox   a Root, "uid_base", "rlimits"
              fds: listener, control, cgroup.procs...                     -> {}, [pidfd]
    nested    as "sandbox"; fds: the origin's agent and kernel (pidfds), then as there
                                                        -> {}, [init, agent (pidfds), namespaces...]
    container a Root, "uid_base", "order" (see `container`)
              fds: control, channel, cgroup.procs...                      -> {}, [pidfd]
    zygote    "template", "python_prefix", "environment"; fds: channel      -> {}, [pidfd]
    socket    "family"; fds: a sandbox's pidfd      -> {}, [TCP socket in its network, unconnected]
    uplink    fds: a sandbox's pidfd      -> {}, [TCP listener, DNS socket: its network's way out]
    copy, discard, mount, believe      done by forks of their own: see `works`

Standard library only, single-threaded, trusted.
"""

import asyncio
import contextlib
import encodings.ascii
import encodings.idna
import encodings.latin_1
import encodings.utf_8  # codecs are found by name at run time, when no path leads to them any more
import gc
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from capibara6_guest import sandbox_init
from capibara6_guest.spawn import heed_signals
from capibara6_sandbox.isolation import (
    capabilities,
    identity,
    landlock,
    linux,
    mapped_mounts,
    proc,
    rootfs,
    seccomp,
    uplink,
    views,
)
from capibara6_sandbox.isolation.processes import process_id
from capibara6_sandbox.zygote import children, container, holes, nested
from capibara6_sandbox.zygote.channel import Channel
from capibara6_sandbox.zygote.works import WORKS, fork_work

CHANNEL_FD: Final = 3
TEMPLATE_PYTHON: Final = "/opt/venv/bin/python"

_ALL_NAMESPACES = sum(linux.NAMESPACES.values())
_PRELOADED = (asyncio, encodings)


def main() -> None:
    """Enter the namespaces, start anew in them, assemble the view and serve."""
    setup = json.loads(sys.argv[1])
    linux.set_process_name("c6-nursery")
    heed_signals()  # as the server was started with `nohup` or `&`, no sandbox is to be
    channel = Channel(socket.socket(fileno=CHANNEL_FD))
    try:
        if not setup.get("inside"):
            _start_inside(setup)
        nursery = Nursery(setup)
    except OSError as cause:
        channel.send({"error": str(cause)})
        sys.exit(1)
    linux.hide_arguments("capibara6-agent", with_environment=True)
    channel.send({"ready": True})
    children.serve(channel, nursery.handle)


def _start_inside(setup: dict[str, Any]) -> NoReturn:
    """Start again as the first process of a new PID namespace; wait for it, and end with it.

    The fresh start makes the new user namespace the owner of the process's memory, without which
    zygotes could not join the namespaces of sandboxes.
    """
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    flags = linux.CLONE_NEWNS | linux.CLONE_NEWPID
    uid, gid = os.getuid(), os.getgid()
    if not setup["privileged"]:  # a network of its own: into the host's there would be no way back
        flags |= linux.CLONE_NEWUSER | linux.CLONE_NEWNET
    linux.unshare(flags)
    if not setup["privileged"]:
        identity.map_self(uid, gid)
    child = os.fork()
    if child == 0:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        again = json.dumps({**setup, "inside": True})
        os.set_inheritable(CHANNEL_FD, True)
        os.execv(sys.executable, [sys.executable, "-m", __spec__.name, again])
    os.close(CHANNEL_FD)
    os.waitpid(child, 0)
    os._exit(0)


class Nursery:
    """Forks sandboxes; its view of the file system is assembled when it is constructed."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self._privileged = bool(setup["privileged"])
        self._filter = seccomp.build_filter()
        views.enter_nursery(
            Path(setup["view"]),
            Path(setup["templates"]),
            Path(setup["layers"]),
            Path(setup["volumes"]),
            Path(setup["packages"]),
            setup["python_prefixes"],
        )
        self._own_network = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        sys.path.clear()
        sys.path_importer_cache.clear()
        asyncio.run(sandbox_init.rehearse())
        asyncio.run(sandbox_init.rehearse())
        gc.collect()
        holes.fill()
        gc.freeze()

    def handle(self, message: dict[str, Any], fds: list[int]) -> tuple[dict[str, Any], list[int]]:
        """Serve one request of the server."""
        operation = message.pop("op")
        if operation == "sandbox":
            return self._fork_sandbox(message, fds)
        if operation == "container":
            return self._fork_container(message, fds)
        if operation == "nested":
            return self._fork_nested(message, fds)
        if operation == "zygote":
            return self._start_zygote(message, fds)
        if operation in WORKS:
            return fork_work(WORKS[operation], message, fds, privileged=self._privileged)
        if operation == "socket":
            return self._open_socket(message, fds)
        if operation == "uplink":
            return self._open_uplink(fds[0])
        raise ValueError(f"no operation {operation!r}")

    def _fork_sandbox(
        self, message: dict[str, Any], fds: list[int]
    ) -> tuple[dict[str, Any], list[int]]:
        uid_base, rlimits = message.pop("uid_base"), message.pop("rlimits")
        root = rootfs.Root(**message, privileged=self._privileged)

        def become_agent(mounts: list[int]) -> NoReturn:
            sandbox_init.run(fds, lambda: self._wall_in(root, fds, mounts), rlimits)

        return self._fork_inside(root, uid_base, become_agent)

    def _fork_container(
        self, message: dict[str, Any], fds: list[int]
    ) -> tuple[dict[str, Any], list[int]]:
        uid_base, order = message.pop("uid_base"), container.Order(**message.pop("order"))
        root = rootfs.Root(**message, privileged=self._privileged)

        def become_container(mounts: list[int]) -> None:
            container.become_container(order, root, fds, mounts)

        volumes = [name for name, _ in order.volumes]
        return self._fork_inside(root, uid_base, become_container, volumes)

    def _fork_inside(
        self,
        root: rootfs.Root,
        uid_base: int,
        become: Callable[[list[int]], None],
        volumes: Sequence[str] = (),
    ) -> tuple[dict[str, Any], list[int]]:
        """Fork into new namespaces, and let the fork become something with its mounts."""
        rootfs.read_owned(root.template)  # once for all forks
        proc.covers()
        gate, inner_gate = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with gate, inner_gate:
            with identity.owning_as(uid_base) if self._privileged else contextlib.nullcontext():
                pid, pidfd = linux.clone3(_ALL_NAMESPACES)
                if pid == 0:
                    gate.close()
                    children.pass_gate(inner_gate, become)
            try:
                identity.map_child(pid, uid_base if self._privileged else None)
                self._open_gate(gate, root, pid, volumes)
            except OSError:
                os.close(pidfd)  # it ends by itself: its gate closes
                raise
        return {}, [pidfd]

    def _fork_nested(
        self, message: dict[str, Any], fds: list[int]
    ) -> tuple[dict[str, Any], list[int]]:
        """Make the shell of a live fork; see `nested`."""
        del message["uid_base"]
        rlimits = message.pop("rlimits")
        root = rootfs.Root(**message, privileged=self._privileged, nested=True)
        rootfs.read_owned(root.template)
        origin, kernel, *inner = fds
        mounts = (
            mapped_mounts.map_layers(root.layers, process_id(origin)) if self._privileged else []
        )

        def become_agent(alive: int) -> NoReturn:
            sandbox_init.run(inner, lambda: self._wall_in(root, [*inner, alive], mounts), rlimits)

        try:
            return {}, nested.fork_nested(origin, kernel, become_agent, privileged=self._privileged)
        finally:
            for mount in mounts:
                os.close(mount)

    def _open_gate(
        self, gate: socket.socket, root: rootfs.Root, pid: int, volumes: Sequence[str]
    ) -> None:
        """Let a child go on with mounts of its layers and volumes, which only we can make."""
        mounts: list[int] = []
        if self._privileged:
            mounts = mapped_mounts.map_layers(root.layers, pid, volumes)
        try:
            socket.send_fds(gate, [b"1"], mounts)
        finally:
            for mount in mounts:
                os.close(mount)

    def _wall_in(self, root: rootfs.Root, fds: list[int], mounts: list[int]) -> int:
        linux.set_process_name("c6-agent")
        linux.close_all_except({0, 1, 2, *fds, *mounts})
        if self._privileged:
            identity.become(0)
        os.setsid()
        upper = rootfs.enter_sandbox(root, mounts)
        sandbox_init.raise_loopback()
        identity.limit_resources()
        allowed = capabilities.SANDBOX_ROOT if self._privileged else capabilities.NONE
        linux.set_capabilities(allowed)
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
        landlock.restrict_to("/")
        linux.install_seccomp_filter(self._filter)
        return upper

    def _open_socket(
        self, message: dict[str, Any], fds: list[int]
    ) -> tuple[dict[str, Any], list[int]]:
        """Open a socket in a sandbox's network: trusted, for no program inside has held it."""
        linux.setns(fds[0], linux.CLONE_NEWNET)
        try:
            opened = socket.socket(message["family"], socket.SOCK_STREAM)
        finally:
            linux.setns(self._own_network, linux.CLONE_NEWNET)
        return {}, [opened.detach()]

    def _open_uplink(self, sandbox: int) -> tuple[dict[str, Any], list[int]]:
        """Open the way out of a sandbox's network."""
        linux.setns(sandbox, linux.CLONE_NEWNET)
        try:
            return {}, uplink.open_uplink()
        finally:
            linux.setns(self._own_network, linux.CLONE_NEWNET)

    def _start_zygote(
        self, message: dict[str, Any], fds: list[int]
    ) -> tuple[dict[str, Any], list[int]]:
        pid = os.fork()
        if pid == 0:
            self._become_zygote(message, fds[0])
        return {}, [os.pidfd_open(pid)]

    def _become_zygote(self, message: dict[str, Any], channel_fd: int) -> NoReturn:
        try:
            children.forget_signals()
            views.enter_template(message["template"], message["python_prefix"])
            os.dup2(channel_fd, CHANNEL_FD)
            linux.close_all_except({0, 1, 2, CHANNEL_FD})
            os.set_inheritable(CHANNEL_FD, True)
            argv = [TEMPLATE_PYTHON, "-m", "capibara6_sandbox.zygote.kernels"]
            os.execve(argv[0], argv, message["environment"])
        except BaseException:  # noqa: BLE001 - whatever happens, the fork must not return
            traceback.print_exc()
        finally:
            os._exit(1)


if __name__ == "__main__":
    main()
