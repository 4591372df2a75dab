"""A kernel zygote: a template's Python with the stack imported, from which kernels are forked.

    /opt/venv/bin/python -m capibara6_sandbox.zygote.kernels      channel on descriptor 3

Started by the nursery inside the template's read-only root. Requests:

    {"op": "kernel", "cwd", "env", "privileged", "rlimits"}
    fds: the sandbox's pidfd, kernel socket, stdout, stderr, cgroup.procs...
                                                               -> {}, [pidfd, listener]

A kernel is one fork, made straight into the sandbox's PID namespace; the fork then joins the other
namespaces itself. The listener decides on the kernel's `setns`, for live forks. Single-threaded;
only standard library and the template's own packages.
"""

import gc
import importlib
import os
import shutil
import socket
import sys
import traceback
from typing import Any, Final, NoReturn

from capibara6_guest import python_display, python_fork, python_kernel
from capibara6_sandbox.isolation import identity, linux, seccomp
from capibara6_sandbox.zygote import arenas, children, holes, mappings, pages
from capibara6_sandbox.zygote.channel import Channel

CHANNEL_FD: Final = 3
FONT_CACHE: Final = "/opt/matplotlib"
ARENAS: Final = 160  # a megabyte each; the stack takes some 130, and what is left over goes back
_JOINED = sum(linux.NAMESPACES.values()) & ~linux.CLONE_NEWPID


def main() -> None:
    """Import what the template lists, warm it, and serve until the server is gone."""
    linux.set_process_name("c6-zygote")
    # Matplotlib wants to write where it finds its cache of fonts.
    shutil.copytree(FONT_CACHE, os.environ["MPLCONFIGDIR"], dirs_exist_ok=True)
    channel = Channel(socket.socket(fileno=CHANNEL_FD))
    try:
        zygote = KernelZygote(os.environ.pop("CAPIBARA6_PRELOAD", "").split())
    except Exception as cause:  # noqa: BLE001 - a template's import can raise anything
        channel.send({"error": f"{type(cause).__name__}: {cause}"})
        sys.exit(1)
    linux.hide_arguments("python", with_environment=False)
    channel.send({"ready": True})
    children.serve(channel, zygote.handle)


class KernelZygote:
    """Holds the warm shell and forks it."""

    def __init__(self, preload: list[str]) -> None:
        self._connection = python_kernel.Connection()
        with arenas.side_by_side(ARENAS):
            # The shell comes first: some libraries ask at their import whether there is one.
            self._shell = python_display.prepare_shell(self._connection.publish)
            for module in preload:
                importlib.import_module(module)
            python_fork.warm(self._shell)
            python_fork.after_fork(self._shell)
            python_kernel.rehearse()
            python_kernel.rehearse()
        self._filter = seccomp.build_filter(asks_for_setns=True)
        self._own_pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        sys.path = [entry for entry in sys.path if not entry.startswith("/opt/capibara6")]
        sys.path_importer_cache.clear()
        gc.collect()
        holes.fill()
        gc.freeze()
        mappings.merge()
        pages.gather()

    def handle(self, message: dict[str, Any], fds: list[int]) -> tuple[dict[str, Any], list[int]]:
        """Fork one kernel into the sandbox that the first descriptor names."""
        linux.setns(fds[0], linux.CLONE_NEWPID)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            try:
                pid = os.fork()
                if pid == 0:
                    self._become_kernel(message, fds, theirs)
            finally:
                linux.setns(self._own_pid_namespace, linux.CLONE_NEWPID)
            theirs.close()
            _, listeners, _, _ = socket.recv_fds(ours, 1, 1)
        if not listeners:
            raise OSError("the kernel's fork ended before it ran")
        return {}, [os.pidfd_open(pid), listeners[0]]

    def _become_kernel(
        self, message: dict[str, Any], fds: list[int], zygote: socket.socket
    ) -> NoReturn:
        try:
            children.forget_signals()
            sandbox, kernel, out, err, *cgroups = fds
            for cgroup in cgroups:
                os.write(cgroup, b"0")
            linux.setns(sandbox, _JOINED)
            linux.close_all_except({0, 1, 2, kernel, out, err, zygote.fileno()})
            os.setsid()
            linux.set_process_name("python")
            identity.drop_to_user(privileged=message["privileged"])
            identity.limit_resources()
            identity.limit_fork(message["rlimits"])
            listener = linux.install_asking_filter(self._filter)
            socket.send_fds(zygote, [b"1"], [listener])
            os.close(listener)
            zygote.close()
            os.environ.clear()
            os.environ.update(message["env"])
            python_kernel.run(
                self._shell,
                self._connection,
                (kernel, out, err),
                message["cwd"],
                python_fork.after_fork,
                _enter,
            )
        except BaseException:  # noqa: BLE001 - whatever happens, the fork must not return
            traceback.print_exc()
        finally:
            os._exit(1)


def _enter(namespaces: list[int]) -> None:
    """Move a kernel's fork into another sandbox, where it keeps no capability."""
    for namespace in namespaces:
        linux.setns(namespace, 0)
    linux.set_capabilities(frozenset())
    linux.prctl(linux.PR_SET_DUMPABLE, 1)


if __name__ == "__main__":
    main()
