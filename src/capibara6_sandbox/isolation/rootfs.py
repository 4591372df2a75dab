"""What a sandbox sees as its file system.

It copies the nursery's view (see `views`), puts an overlay on its template, and makes it its root;
the view itself is dropped, so that no path leads back. Standard library only.
"""

import contextlib
import functools
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capibara6_guest.location import IN_SANDBOX
from capibara6_sandbox.isolation import linux, mounts
from capibara6_sandbox.isolation.mounts import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_REC
from capibara6_sandbox.isolation.proc import ipc_settings, mount_proc
from capibara6_sandbox.isolation.views import (
    GUEST_PACKAGES,
    layer_tree,
    mount_python,
    mount_shared,
)

STAGE: Final = Path("/stage/root")  # where it is assembled
USER_ID: Final = 1000

DNS_ADDRESS: Final = "169.254.0.53"  # leads to the egress process, as all addresses do
ADDED: Final = {
    "etc/hosts": "127.0.1.1 {name}\n",
    "etc/resolv.conf": f"nameserver {DNS_ADDRESS}\n",
}

# Directories that root of a sandbox may fill, beside those of the template's own list.
_FOR_ROOT: Final = ("mnt", "srv", "var/log", "var/cache", "var/lib")
SUDO: Final = (f"{IN_SANDBOX}/sudo.py", "opt/venv/bin/sudo")


@dataclass(frozen=True, slots=True)
class Root:
    """A sandbox's root, as the nursery is asked to make it."""

    template: str
    host_name: str
    disk_bytes: int  # of the writable layer
    inodes: int
    shm_bytes: int
    python_prefix: str  # of the template's base Python; "" if below /usr
    own_system: bool  # whether its layers hold all programs, and /usr is none of the host's
    privileged: bool  # whether the sandbox has a range of ids, or a single one
    nested: bool = False  # whether it is a live fork, whose namespaces have the user's id alone
    boot_id: str = ""  # what the kernel's own would tell on a machine of its own
    layers: Sequence[str] = ()  # saved ones between template and writable layer, lowest first


def enter_sandbox(root: Root, mapped: Sequence[int]) -> int:
    """Assemble a sandbox's root and make it this process's; in the new namespaces, as their root.

    Args:
        root: what to assemble.
        mapped: mounts of its layers, where they had to be mapped; they are closed.

    Returns:
        A descriptor of the writable layer, which no path leads to any more.

    Raises:
        OSError: a mount was refused; the message names it.
    """
    upper, new = lay_root(root, mapped), STAGE
    mounts.mount("/dev", f"{new}/dev", None, MS_BIND | MS_REC)
    shm = f"mode=1777,size={root.shm_bytes}"
    mounts.mount("tmpfs", f"{new}/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, shm)  # noqa: S108
    terminals = "newinstance,ptmxmode=0666,mode=0620" + (",gid=5" if root.privileged else "")
    mounts.mount("devpts", f"{new}/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, terminals)
    ipc = ipc_settings(root.shm_bytes) if root.privileged and not root.nested else {}
    mount_proc(f"{new}/proc", root.boot_id, ipc)
    linux.set_host_name(root.host_name)
    mounts.change_root(str(new))
    if root.layers:
        _rename_host(root.host_name)
    return upper


def lay_root(root: Root, mapped: Sequence[int]) -> int:
    """Assemble a root on `STAGE`, but for what its kernel shows; return its writable layer."""
    upper, own_usr = _mount_overlay(root, mapped)
    if not root.own_system:
        _refuse_detours(root)
        if own_usr:
            _mount_usr(STAGE, own_usr)
            mount_python(STAGE, root.python_prefix)
        else:
            mount_shared(STAGE, root.python_prefix)
        guest = f"{STAGE}{GUEST_PACKAGES}/capibara6_guest"
        mounts.mount("/packages/capibara6_guest", guest, None, MS_BIND)
    return upper


def _mount_overlay(root: Root, mapped: Sequence[int]) -> tuple[int, list[str]]:
    """Mount the root; return its writable layer, and each /usr of the saved ones, topmost first."""
    size = f"mode=0755,size={root.disk_bytes},nr_inodes={root.inodes}"
    mounts.mount("tmpfs", "/stage", "tmpfs", MS_NOSUID | MS_NODEV, size)
    for name in ("upper", "work", "root"):
        os.mkdir(f"/stage/{name}", 0o755)
    saved = _attach_layers(root, mapped)[::-1]
    lower = [*saved, f"/templates/{root.template}/rootfs"]
    if not saved:
        _fill_upper(root)
    layers = f"lowerdir={':'.join(lower)},upperdir=/stage/upper,workdir=/stage/work"
    options = layers + ",userxattr"
    mounts.mount("overlay", str(STAGE), "overlay", MS_NOSUID | MS_NODEV, options)
    upper = os.open("/stage/upper", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    return upper, [f"{path}/usr" for path in saved if os.path.isdir(f"{path}/usr")]


def _attach_layers(root: Root, mapped: Sequence[int]) -> list[str]:
    """Return the paths of the saved layers, lowest first."""
    if not mapped:
        return [layer_tree(name) for name in root.layers]
    paths = []
    for number, mount in enumerate(mapped):
        path = f"/stage/{number}"  # short: all of them go into one page of options
        os.mkdir(path)
        mounts.attach_mount(mount, path)
        os.close(mount)
        paths.append(path)
    return paths


def _refuse_detours(root: Root) -> None:
    """See that no directory above a mount point was replaced by a link in a saved layer.

    Mount points themselves cannot be replaced from inside, but what is above them can.
    """
    for path in (GUEST_PACKAGES, root.python_prefix) if root.layers else ():
        place = f"{STAGE}{path}"
        if os.path.realpath(place) != place:
            raise OSError(f"a link stands in the way to {path} in the saved files")


def _rename_host(name: str) -> None:
    """Renew /etc/hostname; from inside, where a guest's links lead nowhere but to its own files."""
    path = "/etc/hostname"
    with contextlib.suppress(OSError):  # a guest can have made /etc what it likes
        os.unlink(path)
    with contextlib.suppress(OSError):
        _write_file(path, f"{name}\n")


def _fill_upper(root: Root) -> None:
    """Put what sandboxes may change into the writable layer, owned by those who may change it.

    The template's own files belong to the host and so, inside, to nobody.
    """
    owned = read_owned(root.template)
    for path, mode, owner, text in owned:
        target = f"/stage/upper/{path}"
        if text is None:
            os.mkdir(target)
        else:
            _write_file(target, text + ADDED.get(path, "").format(name=root.host_name))
        os.chmod(target, mode)
        if owner == "user" and root.privileged:
            os.chown(target, USER_ID, USER_ID)
    listed = {entry[0] for entry in owned}
    for path in () if root.own_system else _FOR_ROOT:
        if path not in listed:
            os.mkdir(f"/stage/upper/{path}", 0o755)
    program, link = SUDO
    if root.privileged and os.path.dirname(link) in listed:
        os.symlink(program, f"/stage/upper/{link}")
    _write_file("/stage/upper/etc/hostname", f"{root.host_name}\n")


def _write_file(path: str, text: str) -> None:
    """Write a small new file in three system calls; a sandbox starts with several."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
    os.write(fd, text.encode())
    os.close(fd)


@functools.cache
def read_owned(template: str) -> list[tuple[str, int, str, str | None]]:
    """Read a template's list of what sandboxes may change; see templates.skeleton."""
    entries: list[tuple[str, int, str, str | None]]
    entries = json.loads(Path(f"/templates/{template}/owned.json").read_text())
    return entries


def _mount_usr(new: Path, saved: Sequence[str]) -> None:
    """Mount an overlay on the host's /usr, whose writable part lies in the sandbox's own."""
    for name in ("upper/usr", "work-usr"):
        os.mkdir(f"/stage/{name}", 0o755)
    layers = f"lowerdir={':'.join([*saved, '/usr'])},upperdir=/stage/upper/usr"
    options = f"{layers},workdir=/stage/work-usr,userxattr"
    mounts.mount("overlay", f"{new}/usr", "overlay", MS_NOSUID | MS_NODEV, options)
