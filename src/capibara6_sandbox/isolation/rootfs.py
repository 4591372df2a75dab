"""What a sandbox sees as its file system.

The nursery (the process that forks sandboxes) keeps a private view of the host that holds no more
than sandboxes need. A sandbox copies that view, puts an overlay on its template, and makes it its
root; the view itself is dropped, so that no path leads back. Standard library only.

    /usr        the host's programs and libraries, read-only; below an overlay if a layer has one
    /python     the base Python's prefix, where it is not below /usr
    /templates  root file systems of the templates
    /layers     saved layers: what paused sandboxes and snapshots have written
    /packages   capibara6_guest and capibara6_sandbox, as zygotes import them
    /dev        null, zero, full, random, urandom, tty and mount points for shm and pts
    /proc       of the nursery's processes; without one in sight, a user namespace may mount none
    /volumes    volumes, which are mounted into running sandboxes
    /stage      where a sandbox assembles its root
"""

import contextlib
import errno
import functools
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capibara6_guest.location import IN_SANDBOX
from capibara6_sandbox.isolation import linux
from capibara6_sandbox.isolation.linux import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_REC
from capibara6_sandbox.isolation.processes import process_id

DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
PACKAGES: Final = ("capibara6_guest", "capibara6_sandbox")
GUEST_PACKAGES: Final = str(IN_SANDBOX.parent)
USER_ID: Final = 1000

DNS_ADDRESS: Final = "169.254.0.53"  # leads to the egress process, as all addresses do
ADDED: Final = {
    "etc/hosts": "127.0.1.1 {name}\n",
    "etc/resolv.conf": f"nameserver {DNS_ADDRESS}\n",
}

# Directories that root of a sandbox may fill, beside those of the template's own list.
_FOR_ROOT: Final = ("mnt", "srv", "var/log", "var/cache", "var/lib")
SUDO: Final = (f"{IN_SANDBOX}/sudo.py", "opt/venv/bin/sudo")

_NO_SUID_DEV = linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV
_READ_ONLY = linux.MOUNT_ATTR_RDONLY | _NO_SUID_DEV


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
    boot_id: str = ""  # what the kernel's own would tell on a machine of its own
    layers: Sequence[str] = ()  # saved ones between template and writable layer, lowest first


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
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("tmpfs", str(view), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m")
    _bind("/usr", view / "usr", _READ_ONLY)
    _bind(str(templates), view / "templates", _NO_SUID_DEV)
    _bind(str(layers), view / "layers", _NO_SUID_DEV)
    _bind(str(volumes), view / "volumes", _NO_SUID_DEV)
    for name in PACKAGES:
        _bind(str(packages / name), view / "packages" / name, _READ_ONLY)
    for prefix in python_prefixes:
        _bind(prefix, _python_in(view, prefix), _READ_ONLY)
    _make_devices(view / "dev")
    (view / "proc").mkdir()
    linux.mount("proc", str(view / "proc"), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    (view / "stage").mkdir()
    linux.change_root(str(view))


def _python_in(view: Path, prefix: str) -> Path:
    return view / "python" / prefix.strip("/")


def _bind(source: str, target: Path, attributes: int) -> None:
    target.mkdir(parents=True, exist_ok=True)
    linux.mount(source, str(target), None, MS_BIND | MS_REC)
    if attributes:
        linux.set_mount_attributes(str(target), attributes)


def _make_devices(dev: Path) -> None:
    dev.mkdir()
    linux.mount("tmpfs", str(dev), "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k")
    for name in DEVICES:
        (dev / name).touch()
        linux.mount(f"/dev/{name}", str(dev / name), None, MS_BIND)
    for name in ("shm", "pts"):
        (dev / name).mkdir()
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd"}
    links |= {name: f"/proc/self/fd/{fd}" for fd, name in enumerate(("stdin", "stdout", "stderr"))}
    for name, destination in links.items():
        (dev / name).symlink_to(destination)
    linux.set_mount_attributes(str(dev), linux.MOUNT_ATTR_RDONLY, recursive=False)


def enter_template(template: str, python_prefix: str) -> None:
    """Make a template's read-only root this process's: the view of a kernel zygote."""
    linux.unshare(linux.CLONE_NEWNS)
    root = Path("/stage")
    linux.mount(f"/templates/{template}/rootfs", str(root), None, MS_BIND)
    linux.set_mount_attributes(str(root), _READ_ONLY)
    _mount_shared(root, python_prefix)
    linux.mount("/packages", f"{root}{GUEST_PACKAGES}", None, MS_BIND | MS_REC)
    linux.mount("/dev", f"{root}/dev", None, MS_BIND | MS_REC)
    linux.mount("/proc", f"{root}/proc", None, MS_BIND | MS_REC)
    for scratch in ("tmp", "dev/shm"):
        linux.mount("tmpfs", f"{root}/{scratch}", "tmpfs", MS_NOSUID | MS_NODEV, "size=16m")
    linux.change_root(str(root))


def map_layers(layers: Sequence[str], pid: int) -> list[int]:
    """Return mounts of saved layers whose owners are those of a child's user namespace.

    Raises:
        OSError: a layer is gone, or its file system cannot map ids.
    """
    mounts: list[int] = []
    namespace = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        for name in layers:
            mount = linux.mapped_mount(layer_tree(name), _READ_ONLY, namespace)
            mounts.append(mount)
    except OSError:
        for mount in mounts:
            os.close(mount)
        raise
    finally:
        os.close(namespace)
    return mounts


def mount_volume(name: str, path: str, sandbox: int, *, privileged: bool) -> None:
    """Mount a volume in a running sandbox; the caller is a fork that then ends.

    Ids on disk are those of the inside, so that all sandboxes agree on who owns a file.

    Args:
        name: of its folder.
        path: where; missing directories are made, as the sandbox's own user.
        sandbox: pidfd of its first process.
        privileged: whether the sandbox has a range of ids.

    Raises:
        OSError: the file system cannot map ids, or there is a file or a link in the way.
    """
    namespace = _user_namespace(sandbox) if privileged else None
    mount = linux.mapped_mount(f"/volumes/{name}/tree", _NO_SUID_DEV, namespace)
    linux.setns(sandbox, linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
    if privileged:
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    os.makedirs(path, mode=0o755, exist_ok=True)
    if os.path.realpath(path) != path:
        raise OSError(errno.ELOOP, f"{path} leads through a link")
    linux.attach_mount(mount, path)


def _user_namespace(pidfd: int) -> int:
    return os.open(f"/proc/{process_id(pidfd)}/ns/user", os.O_RDONLY | os.O_CLOEXEC)


def enter_sandbox(root: Root, mounts: Sequence[int]) -> int:
    """Assemble a sandbox's root and make it this process's; in the new namespaces, as their root.

    Args:
        root: what to assemble.
        mounts: of its layers, where they had to be mapped; they are closed.

    Returns:
        A descriptor of the writable layer, which no path leads to any more.

    Raises:
        OSError: a mount was refused; the message names it.
    """
    upper, own_usr = _mount_overlay(root, mounts)
    new = Path("/stage/root")
    if not root.own_system:
        _refuse_detours(new, root)
        _mount_shared(new, root.python_prefix, own_usr)
        guest = f"{new}{GUEST_PACKAGES}/capibara6_guest"
        linux.mount("/packages/capibara6_guest", guest, None, MS_BIND)
    linux.mount("/dev", f"{new}/dev", None, MS_BIND | MS_REC)
    shm = f"mode=1777,size={root.shm_bytes}"
    linux.mount("tmpfs", f"{new}/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, shm)  # noqa: S108
    terminals = "newinstance,ptmxmode=0666,mode=0620" + (",gid=5" if root.privileged else "")
    linux.mount("devpts", f"{new}/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, terminals)
    linux.mount("proc", f"{new}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    _mount_boot_id(root.boot_id, f"{new}/proc/sys/kernel/random/boot_id")
    linux.set_host_name(root.host_name)
    linux.change_root(str(new))
    if root.layers:
        _rename_host(root.host_name)
    return upper


def _mount_boot_id(boot_id: str, target: str) -> None:
    """Cover the host's boot id, which would also tell sandboxes that they share a host."""
    _write_file("/stage/boot_id", f"{boot_id}\n")
    linux.mount("/stage/boot_id", target, None, MS_BIND)
    linux.set_mount_attributes(target, _READ_ONLY, recursive=False)


def _mount_overlay(root: Root, mounts: Sequence[int]) -> tuple[int, list[str]]:
    """Mount the root; return its writable layer, and each /usr of the saved ones, topmost first."""
    size = f"mode=0755,size={root.disk_bytes},nr_inodes={root.inodes}"
    linux.mount("tmpfs", "/stage", "tmpfs", MS_NOSUID | MS_NODEV, size)
    for name in ("upper", "work", "root"):
        os.mkdir(f"/stage/{name}", 0o755)
    saved = _attach_layers(root, mounts)[::-1]
    lower = [*saved, f"/templates/{root.template}/rootfs"]
    if not saved:
        _fill_upper(root)
    layers = f"lowerdir={':'.join(lower)},upperdir=/stage/upper,workdir=/stage/work"
    options = layers + ",userxattr"
    linux.mount("overlay", "/stage/root", "overlay", MS_NOSUID | MS_NODEV, options)
    upper = os.open("/stage/upper", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    return upper, [f"{path}/usr" for path in saved if os.path.isdir(f"{path}/usr")]


def _attach_layers(root: Root, mounts: Sequence[int]) -> list[str]:
    """Return the paths of the saved layers, lowest first."""
    if not mounts:
        return [layer_tree(name) for name in root.layers]
    paths = []
    for number, mount in enumerate(mounts):
        path = f"/stage/{number}"  # short: all of them go into one page of options
        os.mkdir(path)
        linux.attach_mount(mount, path)
        os.close(mount)
        paths.append(path)
    return paths


def _refuse_detours(new: Path, root: Root) -> None:
    """See that no directory above a mount point was replaced by a link in a saved layer.

    Mount points themselves cannot be replaced from inside, but what is above them can.
    """
    for path in (GUEST_PACKAGES, root.python_prefix) if root.layers else ():
        place = f"{new}{path}"
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


def _mount_shared(new: Path, python_prefix: str, own_usr: Sequence[str] = ()) -> None:
    if own_usr:
        _mount_usr(new, own_usr)
    else:
        linux.mount("/usr", f"{new}/usr", None, MS_BIND | MS_REC)
    if python_prefix:
        source = _python_in(Path("/"), python_prefix)
        linux.mount(str(source), f"{new}{python_prefix}", None, MS_BIND | MS_REC)


def _mount_usr(new: Path, saved: Sequence[str]) -> None:
    """Mount an overlay on the host's /usr, whose writable part lies in the sandbox's own."""
    for name in ("upper/usr", "work-usr"):
        os.mkdir(f"/stage/{name}", 0o755)
    layers = f"lowerdir={':'.join([*saved, '/usr'])},upperdir=/stage/upper/usr"
    options = f"{layers},workdir=/stage/work-usr,userxattr"
    linux.mount("overlay", f"{new}/usr", "overlay", MS_NOSUID | MS_NODEV, options)
