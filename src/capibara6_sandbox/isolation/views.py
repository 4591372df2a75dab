"""What the trusted processes see as their file system: the nursery, and kernel zygotes.

The nursery (the process that forks sandboxes) keeps a private view of the host that holds no more
than sandboxes need. A sandbox copies that view; see `rootfs`. Standard library only.

    /usr        the host's programs and libraries, read-only; below an overlay if a layer has one
    /python     the base Python's prefix, where it is not below /usr
    /templates  root file systems of the templates
    /layers     saved layers: what paused sandboxes and snapshots have written
    /packages   copies of capibara6_guest and capibara6_sandbox, as zygotes import them: mounts of
                a copy do not tell where on the host the original lies
    /dev        null, zero, full, random, urandom, tty and mount points for shm and pts
    /proc       of the nursery's processes; without one in sight, a user namespace may mount none
    /volumes    volumes, which are mounted into running sandboxes
    /none       an empty folder
    /stage      where a sandbox assembles its root
"""

import shutil
from pathlib import Path
from typing import Final

from capibara6_guest.location import IN_SANDBOX
from capibara6_sandbox.isolation import linux, mounts
from capibara6_sandbox.isolation.mounts import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
)

DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
PACKAGES: Final = ("capibara6_guest", "capibara6_sandbox")
GUEST_PACKAGES: Final = str(IN_SANDBOX.parent)
_VIEW_OPTIONS: Final = "mode=0755,size=16m"
NO_SUID_DEV: Final = mounts.MOUNT_ATTR_NOSUID | mounts.MOUNT_ATTR_NODEV
READ_ONLY: Final = mounts.MOUNT_ATTR_RDONLY | NO_SUID_DEV


def layer_tree(name: str) -> str:
    """Return where the nursery sees the files of a saved layer."""
    return f"/layers/{name}/tree"


def enter_nursery(
    view: Path,
    templates: Path,
    layers: Path,
    volumes: Path,
    packages: Path,
    python_prefixes: list[str],
) -> None:
    """Replace this process's root by the nursery's view, assembled on the empty directory `view`.

    Raises:
        OSError: a mount was refused; the message names it.
    """
    mounts.mount("none", "/", None, MS_REC | MS_PRIVATE)
    mounts.mount("tmpfs", str(view), "tmpfs", MS_NOSUID | MS_NODEV, _VIEW_OPTIONS)
    _bind("/usr", view / "usr", READ_ONLY)
    _bind(str(templates), view / "templates", NO_SUID_DEV)
    _bind(str(layers), view / "layers", NO_SUID_DEV)
    _bind(str(volumes), view / "volumes", NO_SUID_DEV)
    for name in PACKAGES:
        _copy_package(packages / name, view / "packages" / name)
    for prefix in python_prefixes:
        _bind(prefix, python_in(view, prefix), READ_ONLY)
    _make_devices(view / "dev")
    (view / "proc").mkdir()
    mounts.mount("proc", str(view / "proc"), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name in ("none", "stage"):
        (view / name).mkdir()
    mounts.set_mount_attributes(str(view), mounts.MOUNT_ATTR_RDONLY, recursive=False)
    mounts.change_root(str(view))


def _copy_package(source: Path, target: Path) -> None:
    """Copy a package without what only the host needs, for all to read."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))


def python_in(view: Path, prefix: str) -> Path:
    """Return where a view holds the base Python of a prefix."""
    """Return where a view holds the base Python of a prefix."""
    return view / "python" / prefix.strip("/")


def _bind(source: str, target: Path, attributes: int) -> None:
    target.mkdir(parents=True, exist_ok=True)
    mounts.mount(source, str(target), None, MS_BIND | MS_REC)
    if attributes:
        mounts.set_mount_attributes(str(target), attributes)


def _make_devices(dev: Path) -> None:
    dev.mkdir()
    mounts.mount("tmpfs", str(dev), "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k")
    for name in DEVICES:
        (dev / name).touch()
        mounts.mount(f"/dev/{name}", str(dev / name), None, MS_BIND)
    for name in ("shm", "pts"):
        (dev / name).mkdir()
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd"}
    links |= {name: f"/proc/self/fd/{fd}" for fd, name in enumerate(("stdin", "stdout", "stderr"))}
    for name, destination in links.items():
        (dev / name).symlink_to(destination)
    mounts.set_mount_attributes(str(dev), mounts.MOUNT_ATTR_RDONLY, recursive=False)


def enter_template(template: str, python_prefix: str) -> None:
    """Make a template's read-only root this process's: the view of a kernel zygote."""
    linux.unshare(linux.CLONE_NEWNS)
    root = Path("/stage")
    mounts.mount(f"/templates/{template}/rootfs", str(root), None, MS_BIND)
    mounts.set_mount_attributes(str(root), READ_ONLY)
    mount_shared(root, python_prefix)
    mounts.mount("/packages", f"{root}{GUEST_PACKAGES}", None, MS_BIND | MS_REC)
    mounts.mount("/dev", f"{root}/dev", None, MS_BIND | MS_REC)
    mounts.mount("/proc", f"{root}/proc", None, MS_BIND | MS_REC)
    for scratch in ("tmp", "dev/shm"):
        mounts.mount("tmpfs", f"{root}/{scratch}", "tmpfs", MS_NOSUID | MS_NODEV, "size=16m")
    mounts.change_root(str(root))


def mount_shared(new: Path, python_prefix: str) -> None:
    """Mount the host's programs, and the base Python's, below a root that is being assembled."""
    mounts.mount("/usr", f"{new}/usr", None, MS_BIND | MS_REC)
    mount_python(new, python_prefix)


def mount_python(new: Path, python_prefix: str) -> None:
    """Mount the base Python where it is not below /usr ("")."""
    if python_prefix:
        source = python_in(Path("/"), python_prefix)
        mounts.mount(str(source), f"{new}{python_prefix}", None, MS_BIND | MS_REC)
