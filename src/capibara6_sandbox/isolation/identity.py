"""Who a process is: id maps of user namespaces, dropping to a user, and resource limits.

Standard library only: zygotes import this.
"""

import contextlib
import os
import resource
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from capibara6_sandbox.isolation import linux
from capibara6_sandbox.isolation.rootfs import USER_ID

IDS_PER_SANDBOX: Final = 65_536
OPEN_FILES_MAX: Final = 65_536
OPEN_FILES_SOFT: Final = 4096  # which each process may raise to that
LOCKED_BYTES_MAX: Final = 64 * 1024
# Too small for a dump; and with exactly 1 the kernel starts no program of the host for one either,
# which 0 does not keep it from (core(5)).
CORE_BYTES_MAX: Final = 1


def has_id_ranges() -> bool:
    """Whether this process may give every sandbox a range of ids of its own: root, unconfined."""
    if os.geteuid() != 0:
        return False
    lines = Path("/proc/self/uid_map").read_text().splitlines()
    return any(int(line.split()[2]) >= 1 << 31 for line in lines)


def map_self(uid: int, gid: int) -> None:
    """Map the caller's ids to root in the user namespace that it has just created."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


@contextlib.contextmanager
def owning_as(uid: int) -> Iterator[None]:
    """Let `uid` own the user namespaces that root makes inside the block.

    Linux counts watchers of files, pending signals and the like for who owns the namespace too:
    for each sandbox by itself, if that is an id of its own, and else for all sandboxes together. A
    fork that is made inside the block keeps its capabilities, and must not leave the block.
    """
    linux.prctl(linux.PR_SET_SECUREBITS, linux.SECBIT_NO_SETUID_FIXUP)
    os.setresuid(-1, uid, -1)
    try:
        yield
    finally:
        os.setresuid(-1, 0, -1)
        linux.prctl(linux.PR_SET_SECUREBITS, 0)
        linux.prctl(linux.PR_SET_DUMPABLE, 1)  # both end with another id
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)


def map_child(pid: int, uid_base: int | None) -> None:
    """Map ids of a child's new user namespace.

    Args:
        pid: the child.
        uid_base: the first of 65,536 host ids that become 0 to 65535 inside; None maps the
            caller's own id to the sandbox's user, the only map that the kernel grants to a caller
            without privileges.
    """
    if uid_base is None:
        Path(f"/proc/{pid}/setgroups").write_text("deny")
        line = f"{USER_ID} 0 1"
    else:
        line = f"0 {uid_base} {IDS_PER_SANDBOX}"
    Path(f"/proc/{pid}/uid_map").write_text(line)
    Path(f"/proc/{pid}/gid_map").write_text(line)


def become(uid: int) -> None:
    """Take the ids of a user of the current user namespace, without a way back."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def limit_resources() -> None:
    """Set the limits that hold whether or not there are cgroups."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    core = CORE_BYTES_MAX if hard else 0  # a limit of 0 that we were started with stays
    resource.setrlimit(resource.RLIMIT_CORE, (core, core))
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (LOCKED_BYTES_MAX, LOCKED_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_NOFILE, open_files())


def open_files() -> tuple[int, int]:
    """Return how many files a process of a sandbox may open, at first and at most."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_MAX)
    return min(files, OPEN_FILES_SOFT), files


def open_many_files() -> None:
    """Raise the limit of open files as far as this process may."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def limit_fork(rlimits: Sequence[tuple[int, int]]) -> None:
    """Set limits for a fork of a zygote, on top of the memory that it shares with the zygote."""
    for number, ceiling in rlimits:
        extra = _data_bytes() if number == resource.RLIMIT_DATA else 0
        resource.setrlimit(number, (ceiling + extra, ceiling + extra))


def _data_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    return pages * resource.getpagesize()


def drop_to_user(*, privileged: bool) -> None:
    """Become the sandbox's user for good: no capability, no way to gain one, inspectable by it."""
    if privileged:
        become(USER_ID)
    linux.set_capabilities(frozenset())
    linux.prctl(linux.PR_SET_DUMPABLE, 1)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
