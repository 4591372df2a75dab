"""What holds on this machine: each layer is tried for real, in a process of its own."""

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from capibara6_sandbox.isolation import identity, landlock, linux, mounts, seccomp, uplink
from capibara6_sandbox.isolation.cgroup_hierarchies import find_cgroups
from capibara6_sandbox.isolation.runtimes import KNOWN, Runtime
from capibara6_sandbox.templates.build import base_python_prefix

_VERSION_S_MAX: Final = 30.0

_USERNS_REMEDY = """\
User namespaces are refused. As root, one of:
  Ubuntu 24.04:  sysctl kernel.apparmor_restrict_unprivileged_userns=0
  Debian:        sysctl kernel.unprivileged_userns_clone=1
  if it is 0:    sysctl user.max_user_namespaces=15000
or run the server as root."""
_CONTAINER_REMEDY = """\
In a container, mounts and a full /proc are missing. Start it with
  docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined \\
             --security-opt systempaths=unconfined --cap-add SYS_ADMIN ..."""
_UPLINK_REMEDY = """\
Sandboxes reach no network. As root, load what the kernel lacks:
  modprobe -a nf_tables nft_tproxy nft_reject_ipv4"""
_NAMES_REMEDY = """\
What get_host() gives, `<port>-<sandbox>.localhost`, is found by browsers and curl only. One of:
  apt install libnss-myhostname, or systemd-resolved: then every program finds it
  a wildcard DNS record *.DOMAIN that leads here, and --domain DOMAIN
or send the server itself the headers E2b-Sandbox-Id and E2b-Sandbox-Port."""
_OPENSSL_REMEDY = "apt install openssl"
_LANDLOCK_REMEDY = """\
One layer less; all others hold. It comes with Linux 5.19, with CONFIG_SECURITY_LANDLOCK=y and
`landlock` in the kernel's parameter lsm=."""
_CGROUP_REMEDY = """\
Without cgroups only rlimits bound memory and processes. As an ordinary user, start the server with
  systemd-run --user --scope -p Delegate=yes capibara6 sandbox serve"""


@dataclass(frozen=True, slots=True)
class Check:
    """One layer."""

    name: str
    ok: bool
    needed: bool  # whether sandboxes cannot start without it
    detail: str
    remedy: str = ""


def report(*, as_json: bool) -> int:
    """Print all checks; return 0 if sandboxes can run here, else 3."""
    checks = examine()
    if as_json:
        print(json.dumps([asdict(check) for check in checks]))  # noqa: T201
    else:
        for check in checks:
            mark = "ok  " if check.ok else ("FAIL" if check.needed else "lack")
            print(f"{mark}  {check.name:<22} {check.detail}")  # noqa: T201
            if not check.ok and check.remedy:
                print("      " + check.remedy.replace("\n", "\n      "))  # noqa: T201
    return 0 if all(check.ok for check in checks if check.needed) else 3


def examine() -> list[Check]:
    """Try every layer."""
    return [
        _check_platform(),
        _check_ids(),
        _check_namespaces(),
        _check_mounts(),
        _check_uplink(),
        _check_openssl(),
        _check_preview_names(),
        _check_seccomp(),
        _check_capabilities(),
        _check_landlock(),
        _check_cgroups(),
        _check_disk(),
        _check_uv(),
        *_check_languages(),
        *(_check_runtime(runtime) for runtime in KNOWN.values()),
    ]


def _attempt(action: Callable[[], None]) -> str:
    """Run `action` in a fork; return "" or why it failed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            action()
        except OSError as cause:
            os.write(writing, str(cause).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        failure = pipe.read()
    os.waitpid(pid, 0)
    return failure


def _check_platform() -> Check:
    machine = platform.machine()
    merged = Path("/bin").is_symlink()
    detail = f"Linux {platform.release()}, {machine}, Python {platform.python_version()}"
    if not merged:
        detail += ", /bin is no link into /usr"
    return Check("platform", machine in ("x86_64", "aarch64") and merged, True, detail)


def _check_ids() -> Check:
    if identity.has_id_ranges():
        return Check("ids", True, False, "65,536 ids for each sandbox")
    text = "one id: root and user of a sandbox are both this server's user"
    return Check("ids", False, False, text, "Run the server as root for a range of ids each.")


def _enter_namespaces() -> None:
    flags = sum(linux.NAMESPACES.values())
    uid, gid = os.getuid(), os.getgid()
    linux.unshare(flags)
    identity.map_self(uid, gid)


def _check_namespaces() -> Check:
    failure = _attempt(_enter_namespaces)
    names = ", ".join(linux.NAMESPACES)
    return Check("namespaces", not failure, True, failure or names, _USERNS_REMEDY)


def _mount_everything() -> None:
    _enter_namespaces()
    pid = os.fork()  # the first process of the new PID namespace, which proc needs
    if pid:
        status = os.waitpid(pid, 0)[1]
        if status:
            raise OSError("mounting tmpfs, overlay or proc was refused")
        return
    try:
        mounts.mount("none", "/", None, mounts.MS_REC | mounts.MS_PRIVATE)
        with tempfile.TemporaryDirectory() as folder:
            mounts.mount("tmpfs", folder, "tmpfs")
            for name in ("lower", "upper", "work", "root", "proc"):
                Path(folder, name).mkdir()
            layers = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
            mounts.mount("overlay", f"{folder}/root", "overlay", 0, f"{layers},userxattr")
            mounts.mount("proc", f"{folder}/proc", "proc")
            os._exit(0)
    except OSError:
        os._exit(1)


def _check_mounts() -> Check:
    failure = _attempt(_mount_everything)
    detail = failure or "tmpfs, overlay, proc, pivot_root"
    return Check("mounts", not failure, True, detail, _CONTAINER_REMEDY)


def _open_uplink() -> None:
    _enter_namespaces()
    uplink.open_uplink()


def _check_uplink() -> Check:
    failure = _attempt(_open_uplink)
    detail = failure or "TCP and DNS through the egress process"
    return Check("network", not failure, False, detail, _UPLINK_REMEDY)


def _check_openssl() -> Check:
    found = shutil.which("openssl")
    detail = found or "no program `openssl`: no HTTPS of one's own, no network rules for requests"
    return Check("certificates", found is not None, False, detail, _OPENSSL_REMEDY)


def _check_preview_names() -> Check:
    name = "3000-sandbox.localhost"
    try:
        found = socket.gethostbyname(name)
    except OSError as cause:
        return Check("preview names", False, False, f"{name}: {cause.strerror}", _NAMES_REMEDY)
    return Check("preview names", True, False, f"{name} leads to {found}")


def _install_filter() -> None:
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    linux.install_seccomp_filter(seccomp.build_filter())


def _check_seccomp() -> Check:
    failure = _attempt(_install_filter)
    return Check("seccomp", not failure, True, failure or "allow-list, no_new_privs")


def _check_capabilities() -> Check:
    failure = _attempt(lambda: linux.set_capabilities(frozenset()) if os.geteuid() == 0 else None)
    return Check("capabilities", not failure, True, failure or "dropped")


def _restrict() -> None:
    landlock.restrict_to("/")


def _check_landlock() -> Check:
    version = landlock.offered_abi()
    if version < landlock.ABI_NEEDED:
        detail = f"ABI {version}, where {landlock.ABI_NEEDED} is needed; 0: not offered at all"
        return Check("landlock", False, False, detail, _LANDLOCK_REMEDY)
    failure = _attempt(_restrict)
    detail = failure or f"ABI {version}: no mounts and devices behind the agent, no files in egress"
    return Check("landlock", not failure, False, detail)


def _check_cgroups() -> Check:
    try:
        groups = find_cgroups(f"c6-doctor-{os.getpid()}")
    except OSError as cause:
        return Check("cgroups", False, False, str(cause), _CGROUP_REMEDY)
    groups.close()
    return Check("cgroups", True, False, f"version {groups.version}: memory, pids, cpu")


def _check_disk() -> Check:
    text = "writable layer in memory (tmpfs), bounded in bytes and inodes"
    return Check("disk limit", True, False, text)


def _check_uv() -> Check:
    found = shutil.which("uv", path=str(Path(sys.executable).parent))
    prefix = base_python_prefix() or "/usr"
    detail = f"templates are built with uv from Python in {prefix}"
    return Check("template builder", found is not None, True, detail)


def _check_languages() -> list[Check]:
    """Look for the languages of the code interpreter that come from this host."""
    programs = {"R": "R", "Java": "jshell"}
    checks = []
    for language, program in programs.items():
        found = shutil.which(program, path="/usr/bin:/bin")
        detail = found or f"no program `{program}` in /usr/bin; other languages are not touched"
        remedy = "make extras, then start the server again"
        checks.append(Check(f"language {language}", found is not None, False, detail, remedy))
    return checks


def _check_runtime(runtime: Runtime) -> Check:
    """Look for a container runtime, and whether sandboxes could be under it here."""
    name, program = f"runtime {runtime.name}", runtime.find()
    if program is None:
        detail = f"no program `{runtime.program}`: no --isolation {runtime.name}"
        return Check(name, False, False, detail, "make extras")
    if not identity.has_id_ranges():
        return Check(name, False, False, "needs a server that runs as root", "Run it as root.")
    said = subprocess.run(  # noqa: S603 - our own arguments
        [program, "--version"], capture_output=True, text=True, check=False, timeout=_VERSION_S_MAX
    )
    version = (said.stdout.splitlines() or [said.stderr.strip()])[0]
    return Check(name, said.returncode == 0, False, f"{version}, for --isolation {runtime.name}")
