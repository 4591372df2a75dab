"""The plain part of a root file system: directories, accounts and a minimal /etc.

`rootfs` is the read-only layer. What sandboxes may change stands beside it, in `owned.json`, and is
written into each sandbox's writable layer with its owner: a list of [path, mode, owner, text],
parents first; text is null for a directory.
"""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PATH: Final = f"/opt/venv/bin:{SYSTEM_PATH}"

_FOLDERS: Final = (
    "usr", "dev", "proc", "sys", "tmp", "run", "etc", "root", "home/user", "mnt", "srv", "var/tmp",
    "var/log", "var/cache", "var/lib", "opt/capibara6/capibara6_guest",
    "opt/capibara6/capibara6_sandbox",
)  # fmt: skip
_MOUNT_POINTS: Final = ("dev", "proc", "sys")
_LINKED_TO_USR: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")

# Host settings that programs below /usr need to run; nothing that could hold a secret.
_HOST_ETC: Final = (
    "alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ssl/certs", "ssl/openssl.cnf",
    "localtime", "mime.types", "services", "protocols", "fonts", "R", "terminfo", "inputrc",
    "debian_version",
)  # fmt: skip

_ACCOUNTS = """\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
user:x:1000:1000:user:/home/user:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
_GROUP = """\
root:x:0:
daemon:x:1:
tty:x:5:
user:x:1000:
nogroup:x:65534:
"""
_PROFILE = f"""\
export PATH="{PATH}"
[ -n "$PS1" ] && PS1='\\u@\\h:\\w\\$ '
"""
_NSSWITCH = """\
passwd: files
group: files
hosts: files dns
services: files
protocols: files
"""


def lay_skeleton(rootfs: Path, python_prefix: str) -> None:
    """Create the directories and the /etc of a root file system.

    Raises:
        OSError: this host's /bin is no link to /usr/bin (a distribution without merged /usr).
    """
    for name in (*_FOLDERS, *([python_prefix.strip("/")] if python_prefix else [])):
        (rootfs / name).mkdir(parents=True, exist_ok=True)
    for name in _LINKED_TO_USR:
        _link(name, rootfs)
    _write_etc(rootfs / "etc")


def lay_bare(rootfs: Path) -> None:
    """Create what the root file system of an image needs from us: places to mount on."""
    for name in _MOUNT_POINTS:
        (rootfs / name).mkdir(parents=True)


def write_bare_owned(path: Path) -> None:
    """Write the list of what sandboxes without a system of this host's may change."""
    entries = [(name, 0o755, "root", None) for name in ("etc",)]
    files = ("etc/hosts", "etc/resolv.conf")
    path.write_text(json.dumps(entries + [(name, 0o644, "root", "") for name in files]))


def missing_languages(etc: Path = Path("/etc")) -> list[str]:
    """Return those optional languages whose settings this host lacks.

    A template has the settings of the day when it was built: one of before an installation of a
    language cannot run it.
    """
    settings = {"r": "R", "java": "java-*-openjdk"}
    return [name for name, folder in settings.items() if not any(etc.glob(folder))]


def write_owned(path: Path, user_folders: Iterable[str]) -> None:
    """Write the list of what sandboxes may change.

    Args:
        path: of the file.
        user_folders: further directories of the template that its user may write to.
    """
    entries: list[tuple[str, int, str, str | None]] = [
        ("etc", 0o755, "root", None),
        # To be passed through, not listed: the base Python may lie below it (pyenv, uv).
        ("root", 0o711, "root", None),
        ("run", 0o755, "root", None),
        ("tmp", 0o1777, "root", None),
        ("var", 0o755, "root", None),
        ("var/tmp", 0o1777, "root", None),
        ("home", 0o755, "root", None),
        ("home/user", 0o755, "user", None),
        ("etc/passwd", 0o644, "root", _ACCOUNTS),
        ("etc/group", 0o644, "root", _GROUP),
        ("etc/hosts", 0o644, "root", "127.0.0.1 localhost\n::1 localhost\n"),
        ("etc/resolv.conf", 0o644, "root", ""),
        ("home/user/.bashrc", 0o644, "user", ""),
        ("home/user/.profile", 0o644, "user", ""),
    ]
    made = {entry[0] for entry in entries}
    for folder in user_folders:
        for part in reversed([Path(folder), *Path(folder).parents][:-1]):
            if str(part) not in made:
                made.add(str(part))
                owner = "user" if str(part) == folder else "root"
                entries.append((str(part), 0o755, owner, None))
    path.write_text(json.dumps(entries))


def _link(name: str, rootfs: Path) -> None:
    host = Path("/", name)
    if host.is_symlink():
        (rootfs / name).symlink_to(f"usr/{name}")
    elif host.exists():
        raise OSError(f"{host} is not a link into /usr; capibara6 needs a merged /usr")


def _write_etc(etc: Path) -> None:
    for name in _HOST_ETC:
        source, target = Path("/etc", name), etc / name
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, ignore_dangling_symlinks=True)
        elif source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    for source in Path("/etc").glob("java-*-openjdk"):
        shutil.copytree(source, etc / source.name, symlinks=True)
    (etc / "os-release").symlink_to("../usr/lib/os-release")
    (etc / "profile").write_text(_PROFILE)
    (etc / "nsswitch.conf").write_text(_NSSWITCH)
