"""The plain part of a root file system: directories, accounts and a minimal /etc.

`rootfs` is the read-only layer. What sandboxes may change lies beside it, in `owned/root` and
`owned/user`, and is copied into each sandbox's writable layer with that owner.
"""

import shutil
from pathlib import Path
from typing import Final

PATH: Final = "/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_FOLDERS: Final = (
    "usr", "dev", "proc", "sys", "tmp", "run", "etc", "root", "home/user", "mnt", "srv", "var/tmp",
    "var/log", "var/cache", "var/lib", "opt/capibara6/capibara6_guest",
    "opt/capibara6/capibara6_sandbox",
)  # fmt: skip
_LINKED_TO_USR: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")

# Host settings that programs below /usr need to run; nothing that could hold a secret.
_HOST_ETC: Final = (
    "alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ssl/certs", "ssl/openssl.cnf",
    "localtime", "mime.types", "services", "protocols", "fonts", "R", "terminfo", "inputrc",
    "debian_version",
)  # fmt: skip

_PASSWD = """\
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


def lay_skeleton(target: Path, python_prefix: str) -> None:
    """Create `rootfs` and `owned` in `target`.

    Raises:
        OSError: this host's /bin is no link to /usr/bin (a distribution without merged /usr).
    """
    rootfs, owned = target / "rootfs", target / "owned"
    for name in (*_FOLDERS, *([python_prefix.strip("/")] if python_prefix else [])):
        (rootfs / name).mkdir(parents=True, exist_ok=True)
    for name in _LINKED_TO_USR:
        _link(name, rootfs)
    _write_etc(rootfs / "etc")
    _write_owned(owned)


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


def _write_owned(owned: Path) -> None:
    root, user = owned / "root", owned / "user"
    for folder, mode in (
        (root / "etc", 0o755),
        (root / "root", 0o700),
        (root / "run", 0o755),
        (root / "tmp", 0o1777),
        (root / "var/tmp", 0o1777),
        (root / "home", 0o755),
        (user / "home/user", 0o755),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)
    (root / "etc/passwd").write_text(_PASSWD)
    (root / "etc/group").write_text(_GROUP)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    (root / "etc/resolv.conf").write_text("")
    (user / "home/user/.bashrc").write_text("")
    (user / "home/user/.profile").write_text("")
