"""A throwaway machine for programs that must be able to break something: namespaces and a root.

    python tests/support/lab.py [--with-cgroups] COMMAND...

Its root is nobody outside, its files are an overlay on this machine's, its network is a loopback of
its own, and all ends with its first process. So "this machine" means the lab to whoever looks for
what a hostile program has done to it. Needs root; Linux 5.19 or later.

With cgroups of its own its root is this machine's, since groups of version 1 obey no other: nothing
may run in such a lab without its other walls.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Final, NoReturn

from capibara6_guest.sandbox_init import raise_loopback
from capibara6_sandbox.isolation import linux, mounts
from capibara6_sandbox.isolation.cgroup_hierarchies import find_cgroups
from capibara6_sandbox.isolation.cgroups import Cgroup
from capibara6_sandbox.isolation.limits import MIB, Limits

# Ids of its own, enough of them that its root may give each sandbox a range.
FIRST_ID: Final = 1_000_000
IDS: Final = 3_000_000_000
ADDRESSES: Final = ("192.0.2.77/24", "10.77.0.1/24", "169.254.169.254/32")
_LIMITS: Final = Limits(memory_bytes=6144 * MIB, cpus=2, processes=1500)
_NODES: Final = ("null", "zero", "full", "random", "urandom", "tty")
_FLAGS: Final = sum(linux.NAMESPACES.values())


def run(command: list[str], *, with_cgroups: bool = False) -> int:
    """Run a command in a new lab; return its exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of what clears it away
    groups = find_cgroups(f"c6-lab-{os.getpid()}")
    group = groups.create("lab", _LIMITS)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        ours.close()
        _begin(command, theirs, _by_controller(group) if with_cgroups else {})
    theirs.close()
    try:
        group.move(child)
        ours.send(b"1")
        if ours.recv(1):  # its namespaces are there
            root = mounts.mapped_mount("/", 0, None) if with_cgroups else _map(child)
            socket.send_fds(ours, [b"1"], [root])
            os.close(root)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        ours.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)  # and with it all that is in the lab
        group.end_processes()
        for folder in group.folders:  # and below it what a killed server left
            for below, _, _ in os.walk(folder, topdown=False):
                os.rmdir(below)
        groups.close()


def _map(child: int) -> int:
    """Give the lab its ids; return this machine's files as they are with these."""
    for name in ("uid_map", "gid_map"):
        Path(f"/proc/{child}/{name}").write_text(f"0 {FIRST_ID} {IDS}")
    namespace = os.open(f"/proc/{child}/ns/user", os.O_RDONLY)
    try:
        return mounts.mapped_mount("/", 0, namespace)
    finally:
        os.close(namespace)


def _by_controller(group: Cgroup) -> dict[str, Path]:
    return {folder.relative_to("/sys/fs/cgroup").parts[0]: folder for folder in group.folders}


def _begin(command: list[str], outside: socket.socket, groups: dict[str, Path]) -> NoReturn:
    status = 1
    try:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        outside.recv(1)
        linux.unshare(_FLAGS & ~linux.CLONE_NEWUSER if groups else _FLAGS)
        outside.send(b"1")
        _, (root,), _, _ = socket.recv_fds(outside, 1, 1)
        outside.close()
        os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)  # new ids have cleared it
        pid = os.fork()  # the first process of the PID namespace
        if pid == 0:
            linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
            _enter(root, groups)
            status = _serve(command)
        else:
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except BaseException:  # noqa: BLE001 - whatever happens, the fork must not return
        traceback.print_exc()
    finally:
        os._exit(status if status >= 0 else 1)


def _enter(root: int, groups: dict[str, Path]) -> None:
    mounts.mount("none", "/", None, mounts.MS_REC | mounts.MS_PRIVATE)
    mounts.mount("tmpfs", "/mnt", "tmpfs", 0, "mode=0755,size=2g")
    for name in ("lower", "upper", "work", "root"):
        Path("/mnt", name).mkdir()
    mounts.attach_mount(root, "/mnt/lower")
    new = Path("/mnt/root")
    layers = "lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work,userxattr"
    mounts.mount("overlay", str(new), "overlay", 0, layers)
    mounts.mount("proc", str(new / "proc"), "proc")
    mounts.mount("tmpfs", str(new / "dev"), "tmpfs", 0, "mode=0755")
    for name in _NODES:
        (new / "dev" / name).touch()
        mounts.mount(f"/dev/{name}", str(new / "dev" / name), None, mounts.MS_BIND)
    for name in ("shm", "pts"):
        (new / "dev" / name).mkdir()
    mounts.mount("tmpfs", str(new / "dev/shm"), "tmpfs", 0, "mode=1777,size=256m")
    mounts.mount("devpts", str(new / "dev/pts"), "devpts", 0, "newinstance,ptmxmode=0666")
    (new / "dev/ptmx").symlink_to("pts/ptmx")
    (new / "dev/fd").symlink_to("/proc/self/fd")
    mounts.mount("tmpfs", str(new / "run"), "tmpfs", 0, "mode=0755")
    for controller, folder in groups.items():
        (new / "sys/fs/cgroup" / controller).mkdir(parents=True)
        mounts.mount(str(folder), str(new / "sys/fs/cgroup" / controller), None, mounts.MS_BIND)
    mounts.change_root(str(new))
    os.chmod("/root", 0o755)  # what keeps programs out shall be their walls
    with open("/etc/passwd", "a") as users:  # for sandboxes without a root of their own
        users.write("user:x:1000:1000::/home/user:/bin/bash\n")
    linux.set_host_name("c6-lab")
    raise_loopback()
    for address in ADDRESSES:
        subprocess.run(["ip", "address", "add", address, "dev", "lo"], check=True)


def _serve(command: list[str]) -> int:
    """Run the command, and bury what others leave to the first process."""
    child = os.posix_spawnp(command[0], command, os.environ)
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    given = sys.argv[1:]
    with_cgroups = given[:1] == ["--with-cgroups"]
    sys.exit(run(given[with_cgroups:], with_cgroups=with_cgroups))
