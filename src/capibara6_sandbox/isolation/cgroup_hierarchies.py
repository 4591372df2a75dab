"""Which cgroups this machine has, and where in them the server may make its own."""

import os
from pathlib import Path

from capibara6_sandbox.isolation.cgroups import NEEDED, Cgroups, write_value
from capibara6_sandbox.isolation.cgroups_v1 import FREEZER, CgroupsV1
from capibara6_sandbox.isolation.cgroups_v2 import CgroupsV2


def find_cgroups(name: str) -> Cgroups:
    """Make the server's groups where this machine lets it.

    Args:
        name: of the server's own group, unique on the machine.

    Raises:
        OSError: no hierarchy with memory, pids and cpu may be used; the message says why.
    """
    own = _own_groups()
    unified = _mounted("cgroup2")
    for mount in unified.values():
        controllers = (mount / "cgroup.controllers").read_text().split()
        if all(needed in controllers for needed in NEEDED):
            return CgroupsV2(_delegated(mount, own[""]), name)
    mounts = _mounted("cgroup")
    missing = [controller for controller in NEEDED if controller not in mounts]
    if missing:
        raise OSError(f"no cgroup hierarchy offers {', '.join(missing)}")
    wanted = [*NEEDED, *(name for name in ("cpuacct", FREEZER) if name in mounts)]
    return CgroupsV1({c: _below(mounts[c], own.get(c, "/")) for c in wanted}, name)


def _below(mount: Path, group: str) -> Path:
    folder = mount / group.strip("/")
    return folder if folder.exists() else mount  # a cgroup namespace shows other paths


def _delegated(mount: Path, group: str) -> Path:
    """Return the group below which ours may be made: the root's for root, else our own.

    A group with processes can have no children with controllers, so an ordinary user's server
    moves itself into a leaf of the group that was delegated to it.
    """
    if os.geteuid() == 0:
        return mount
    folder = _below(mount, group)
    leaf = folder / "server"
    leaf.mkdir(exist_ok=True)
    write_value(leaf, "cgroup.procs", os.getpid())
    return folder


def _own_groups() -> dict[str, str]:
    groups = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = path
    return groups


def _mounted(kind: str) -> dict[str, Path]:
    """Return the mount points of a cgroup file system by controller ("" for version 2)."""
    found = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        file_system, _, options = rest.split(" ", 2)
        if file_system == kind:
            mount = Path(fields.split(" ")[4])
            names = options.split(",") if kind == "cgroup" else [""]
            found.update(dict.fromkeys(names, mount))
    return found
