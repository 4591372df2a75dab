"""What the process that runs a container runtime sees: the runtime, and one sandbox's files.

It takes the place of the nursery's view, so that a program which breaks out of its runtime finds no
file of another sandbox. Standard library only.

    /usr      the host's programs, read-only: the runtime is one of them
    /root     the sandbox's root, assembled
    /run      the runtime's state, the container's description, and the socket of the agent
    /volumes  the volumes that the sandbox was asked for, by number
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from capibara6_sandbox.isolation import linux, mounts
from capibara6_sandbox.isolation.mounts import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_REC
from capibara6_sandbox.isolation.rootfs import STAGE, Root, lay_root

ROOT: Final = "/root"
STATE: Final = "/run/state"
BUNDLE: Final = "/run/bundle"
AGENT: Final = "/run/agent"  # a folder that inside and outside share
_HOST: Final = Path("/stage/host")
_LINKS: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_FLAGS: Final = MS_NOSUID | MS_NODEV


def enter_container_host(
    root: Root, mapped: Sequence[int], volumes: int, *, cgroups: bool
) -> tuple[int, int]:
    """Assemble a sandbox's root and go to where its runtime runs; in new namespaces, as their root.

    Args:
        root: what to assemble.
        mapped: mounts of its layers, then of its volumes; they are closed.
        volumes: how many of them are volumes.
        cgroups: whether the runtime wants to see some, though it is to leave them alone.

    Returns:
        Descriptors of the writable layer, and of the folder for the agent's socket.

    Raises:
        OSError: a mount was refused; the message names it.
    """
    layers = len(mapped) - volumes
    upper = lay_root(root, mapped[:layers])
    os.mkdir(_HOST)
    mounts.mount("tmpfs", str(_HOST), "tmpfs", _FLAGS, "mode=0755,size=8m,nr_inodes=1024")
    for name in ("usr", "dev", "proc", "root", "run", "tmp", "volumes"):
        os.mkdir(_HOST / name)
    for name in _LINKS:
        if os.path.isdir(f"/usr/{name}"):
            os.symlink(f"usr/{name}", _HOST / name)
    for source, name in (("/usr", "usr"), ("/dev", "dev"), (str(STAGE), "root")):
        mounts.mount(source, str(_HOST / name), None, MS_BIND | MS_REC)
    mounts.mount("proc", str(_HOST / "proc"), "proc", _FLAGS | MS_NOEXEC)
    if cgroups:
        os.makedirs(_HOST / "sys/fs/cgroup")
        mounts.mount("cgroup2", str(_HOST / "sys/fs/cgroup"), "cgroup2", _FLAGS | MS_NOEXEC)
    for number, mount in enumerate(mapped[layers:]):
        os.mkdir(_HOST / f"volumes/{number}")
        mounts.attach_mount(mount, str(_HOST / f"volumes/{number}"))
        os.close(mount)
    linux.set_host_name(root.host_name)
    mounts.change_root(str(_HOST))
    return upper, _make_run_folders()


def _make_run_folders() -> int:
    for path in (STATE, BUNDLE, AGENT):
        os.mkdir(path, 0o700)
    # Its own, and small: the sandbox's root writes to it.
    mounts.mount("tmpfs", AGENT, "tmpfs", _FLAGS | MS_NOEXEC, "mode=0700,size=64k,nr_inodes=16")
    return os.open(AGENT, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
