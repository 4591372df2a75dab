"""A copy of the sandbox server's source in which chosen walls are missing, for tests.

The server itself has no switch for its walls, so no setting, client or argument can turn one off.
What is missing here is missing because the copy's text was changed; a change that no longer fits
the text raises, so that a wall that was moved is noticed. Run it in a `lab` only.
"""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).parents[2] / "src"

# What each layer is, as the page of hostile programs says it.
LAYERS: Final = {
    "user namespace": "ids of its own; root of a sandbox is nobody outside",
    "root file system": "mount namespace, overlay, `pivot_root`",
    "PID namespace": "processes of its own",
    "network namespace": "a loopback of its own, no interface",
    "other namespaces": "IPC, UTS and cgroup",
    "seccomp": "the allow-list of system calls",
    "capabilities": "none for the user, eight for root of a sandbox",
    "no new privileges": "set-user-id files give nothing",
    "rlimits": "core dumps, locked memory, open files",
    "Landlock": "no mounts, devices, or trees of processes but the agent's",
    "covers of /proc": "files of /proc that tell of the machine are empty or read-only",
    "egress process": "connects for sandboxes: nowhere on this machine, to no private network",
}
LIMITS: Final = {
    "cgroups": "memory, processes and processor time of a sandbox together",
    "rlimits": "open files, locked memory; without cgroups also memory of a process and processes",
    "file systems' sizes": "bytes and files of what a sandbox writes, and of /dev/shm",
}
# Without these below it, a layer is not there: what leaves by itself passes no egress process.
GROUND: Final = {"egress process": {"network namespace"}}

_NAMESPACES: Final = {
    "user namespace": ("CLONE_NEWUSER",),
    "PID namespace": ("CLONE_NEWPID",),
    "network namespace": ("CLONE_NEWNET",),
    "other namespaces": ("CLONE_NEWIPC", "CLONE_NEWUTS", "CLONE_NEWCGROUP"),
}

# At the end of modules: definitions that replace those above.
_NO_FILTER = """
def build_filter(machine="", *, asks_for_setns=False):
    return struct.pack("<HBBI", _RETURN, 0, 0, _ALLOW)
"""
_NO_CAPABILITIES = """
def set_capabilities(allowed):
    pass
"""
_NO_RLIMITS = """
def limit_resources():
    pass

def limit_fork(rlimits):
    pass
"""
_NO_LANDLOCK = """
def restrict_to(folder):
    return False
"""
_NO_COVERS = """
def mount_proc(target, boot_id, ipc):
    mounts.mount("proc", target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
"""
_NO_HOST_NAME = """
def set_host_name(name):
    pass
"""
_NO_IPC_SETTINGS = """
def ipc_settings(shm_bytes):
    return {}
"""
_NO_MAPS = """
def map_child(pid, uid_base):
    pass
"""
_NO_REACH = """
_NEVER = _PRIVATE = ()

def is_own(address):
    return False
"""
_NO_CGROUPS = """
def find_cgroups(name):
    raise OSError("switched off")
"""
_NO_FLOOR = """
Limits.rlimits = property(lambda self: [])
"""
_NO_LOOPBACK = """
def raise_loopback():
    pass
"""
# With a PID namespace of somebody else's, no new proc can be mounted; the one in sight is used.
_OLD_PROC = """
_mount_anew = mount

def mount(source, target, kind=None, flags=0, options=""):
    try:
        _mount_anew(source, target, kind, flags, options)
    except OSError:
        if kind != "proc":
            raise
        _mount_anew("/proc", target, None, MS_BIND | MS_REC)
"""
_HOST_VIEW = """
def enter_nursery(view, templates, layers, volumes, packages, python_prefixes):
    mounts.mount("none", "/", None, mounts.MS_REC | mounts.MS_PRIVATE)
    for source, target in ((templates, "/templates"), (layers, "/layers"), (volumes, "/volumes")):
        _bind(str(source), Path(target), 0)
    for name in PACKAGES:
        _bind(str(packages / name), Path("/packages", name), 0)
    for name in ("/stage", "/none"):
        Path(name).mkdir(exist_ok=True)
    mounts.mount("proc", "/proc", "proc", 0)
"""
_HOST_ROOT = """
def enter_sandbox(root, mapped):
    for folder in ("/home", "/stage"):
        mounts.mount("tmpfs", folder, "tmpfs", 0, f"size={root.disk_bytes}")
    os.mkdir("/home/user")
    os.chown("/home/user", USER_ID, USER_ID)
    os.makedirs("/opt", exist_ok=True)
    mounts.mount(f"/templates/{root.template}/rootfs/opt", "/opt", None, MS_BIND | MS_REC)
    guest = f"{GUEST_PACKAGES}/capibara6_guest"
    mounts.mount("/packages/capibara6_guest", guest, None, MS_BIND)
    mount_proc("/proc", root.boot_id, {})
    linux.set_host_name(root.host_name)
    return os.open("/stage", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
"""


def copy_without(missing: Iterable[str], folder: Path) -> Path:
    """Make a copy of the source below `folder` without some layers; return what to import from.

    Raises:
        ValueError: there is no such layer, or the source has changed so that it is not found.
    """
    off = set(missing)
    if unknown := off - {*LAYERS, *LIMITS}:
        raise ValueError(f"no such layer: {sorted(unknown)}")
    source = folder / "src"
    for package in ("capibara6_sandbox", "capibara6_guest"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(SOURCE / package, source / package, ignore=ignored)
    sandbox = source / "capibara6_sandbox"
    _without_kernels(sandbox)
    _without_namespaces(sandbox, off)
    ends = {
        "seccomp": [("isolation/seccomp.py", _NO_FILTER)],
        "capabilities": [("isolation/linux.py", _NO_CAPABILITIES)],
        "rlimits": [("isolation/identity.py", _NO_RLIMITS), ("isolation/limits.py", _NO_FLOOR)],
        "covers of /proc": [("isolation/proc.py", _NO_COVERS)],
        "Landlock": [("isolation/landlock.py", _NO_LANDLOCK)],
        "user namespace": [("isolation/identity.py", _NO_MAPS)],
        "PID namespace": [("isolation/mounts.py", _OLD_PROC)],
        "other namespaces": [
            ("isolation/linux.py", _NO_HOST_NAME),
            ("isolation/proc.py", _NO_IPC_SETTINGS),
        ],
        "network namespace": [("../capibara6_guest/sandbox_init.py", _NO_LOOPBACK)],
        "egress process": [("network/reach.py", _NO_REACH)],
        "cgroups": [("isolation/cgroup_hierarchies.py", _NO_CGROUPS)],
        "root file system": [
            ("isolation/views.py", _HOST_VIEW),
            ("isolation/rootfs.py", _HOST_ROOT),
        ],
    }
    for layer in off:
        for name, text in ends.get(layer, []):
            _append(sandbox / name, text)
    if "no new privileges" in off:
        _without_no_new_privileges(sandbox)
    if "file systems' sizes" in off:
        _without_sizes(sandbox)
    if "cgroups" in off:
        _judged_all_the_same(sandbox)
    return source


def _append(path: Path, text: str) -> None:
    old = path.read_text()
    for name in re.findall(r"^def (\w+)", text, re.MULTILINE):
        if f"\ndef {name}(" not in old:
            raise ValueError(f"{path.name} has no function {name} any more")
    path.write_text(f"{old}\n\n{text}")


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    if text.count(old) != 1:
        raise ValueError(f"{path.name} has {old!r} {text.count(old)} times")
    path.write_text(text.replace(old, new))


def _without_kernels(sandbox: Path) -> None:
    """Start no warm Python: every program of the table is a command."""
    path = sandbox / "host/parents.py"
    _replace(path, "if built.environment.has_kernels:", "if False:")


def _without_namespaces(sandbox: Path, off: set[str]) -> None:
    gone = [flag for layer in off for flag in _NAMESPACES.get(layer, ())]
    nursery = sandbox / "zygote/nursery.py"
    kept = "".join(f" & ~linux.{flag}" for flag in gone)
    whole = "_ALL_NAMESPACES = sum(linux.NAMESPACES.values())"
    _replace(nursery, whole, f"{whole}{kept}")
    if "PID namespace" in off:
        _replace(nursery, "linux.CLONE_NEWNS | linux.CLONE_NEWPID", "linux.CLONE_NEWNS")


def _without_sizes(sandbox: Path) -> None:
    root = sandbox / "isolation/rootfs.py"
    _replace(root, ",size={root.disk_bytes},nr_inodes={root.inodes}", "")
    _replace(root, ",size={root.shm_bytes}", "")


def _judged_all_the_same(sandbox: Path) -> None:
    """Let the judges of the copy ask for what is promised only where there are cgroups."""
    judges = sandbox / "attack/runner.py"
    _replace(judges, "if not found.group_folders:", "if False:")
    text = judges.read_text()
    judges.write_text(re.sub(r"(?m)^(_WITHOUT_GROUPS: Final) = .*$", r"\1 = ()", text))


def _without_no_new_privileges(sandbox: Path) -> None:
    """Install the filter while there is the right to, and drop what gives it afterwards."""
    nursery = sandbox / "zygote/nursery.py"
    _replace(nursery, "        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)\n", "")
    drop = "        linux.set_capabilities(allowed)\n"
    _replace(nursery, drop, "")
    install = "        linux.install_seccomp_filter(self._filter)\n"
    _replace(nursery, install, install + drop)
