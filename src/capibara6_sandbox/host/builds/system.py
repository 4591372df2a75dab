"""This host's system as a sandbox may change it: the lowest layer of builds from our own templates.

Files of the host belong to nobody inside, and stay as they are. But directories of this layer lie
over theirs and belong to the sandbox's root, who can so put files beside them and in their place:
in `/usr` through an overlay of its own (`isolation.rootfs`), in `/etc` and `/opt/venv` as
everywhere. With the host's list of installed packages, `apt-get install` then adds to what is
there. No file that only the host's root may read becomes readable, for no owner is changed.

Only where the server is root: an ordinary user's has no other owner to give.
"""

import hashlib
import json
import os
import re
import shutil
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capibara6_sandbox.isolation.rootfs import ADDED, SUDO, USER_ID
from capibara6_sandbox.templates.build import BuiltEnvironment

_FORMAT: Final = "7"  # raise it when this layer would become another one
_DPKG: Final = "var/lib/dpkg"
_APT_FOLDERS: Final = (
    "etc/apt/apt.conf.d", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial",
)  # fmt: skip
# Settings that packages read when they are installed; none of them can hold a secret.
_SETTINGS: Final = (
    "adduser.conf", "ca-certificates.conf", "debconf.conf", "default/useradd", "deluser.conf",
    "dpkg", "host.conf", "login.defs", "pam.conf", "pam.d", "security", "shells", "skel",
)  # fmt: skip
_SOURCES: Final = (
    "sources.list", "sources.list.d", "trusted.gpg.d", "keyrings", "preferences", "preferences.d",
)  # fmt: skip
_PASSWORD_IN_ADDRESS: Final = re.compile(rb"://[^/\s]*@")
_NOT_OURS: Final = ("usr", "dev", "proc", "sys", "opt/capibara6")
_HOARD: Final = 300  # directories
_FOR_EVERYBODY: Final = stat.S_IROTH | stat.S_IXOTH
# As in images of Debian: what is installed starts no service by itself.
_NO_SERVICES: Final = "#!/bin/sh\nexit 101\n"
_USER_PACKAGES: Final = (
    "import os, site; site.ENABLE_USER_SITE = True; path = site.getusersitepackages(); "
    "os.path.isdir(path) and site.addsitedir(path)\n"
)
_ADOPT_AT: Final = "usr/lib/capibara6/adopt"
_ADOPT_HOOK: Final = f'DPkg::Pre-Install-Pkgs {{ "/{_ADOPT_AT}"; }};\n'
# To replace a file, dpkg makes a link to it first, which only its owner may.
_ADOPT: Final = r"""#!/bin/sh
# Gives packages that are about to be upgraded files of their own in the place of the host's.
while read -r archive; do
    name=$(dpkg-deb --showformat '${Package}:${Architecture}' --show "$archive")
    dpkg-query --listfiles "$name" 2>/dev/null || dpkg-query --listfiles "${name%:*}" 2>/dev/null
done | xargs -r -d '\n' sh -c 'find "$@" -maxdepth 0 -type f -uid 65534' find 2>/dev/null |
while IFS= read -r path; do
    cp --preserve=mode,timestamps -- "$path" "$path.c6-own" && mv -f -- "$path.c6-own" "$path"
done
exit 0
"""


@dataclass(frozen=True, slots=True)
class System:
    """This host's system, as builds shall see it.

    Args:
        built: the environment whose root file system lies beside `/usr`.
        apt: a folder that becomes `/etc/apt`; None takes the host's sources and keys.
        root: the host's root directory.
    """

    built: BuiltEnvironment
    apt: Path | None = None
    root: Path = Path("/")

    @property
    def family(self) -> str:
        """Name what layers of this kind have in common."""
        return _digest(self.built.id, str(self.apt))

    @property
    def version(self) -> str:
        """Name what changes when the layer would: it is made anew then."""
        parts = [_FORMAT]
        apt = self.apt or self.root / "etc/apt"
        for path in (self.root / _DPKG / "status", *sorted(apt.rglob("*"))):
            if path.is_file():
                status = path.stat()
                parts.append(f"{path}:{status.st_mtime_ns}:{status.st_size}")
        return _digest(*parts)

    def fill(self, tree: Path) -> None:
        """Make the layer in an empty directory, with owners as sandboxes see them.

        Raises:
            OSError: the disk is full, or this is no root.
        """
        self._put_owned(tree)
        for path, mode in _folders(self.built.folder / "rootfs"):
            if not path.startswith(_NOT_OURS):
                _make_folder(tree / path, mode, USER_ID if path.startswith("opt/venv") else 0)
        self._let_pip_serve_users(tree)
        for path, mode in _without_hoards(_folders(self.root / "usr"), self.root / _DPKG / "info"):
            _make_folder(tree / "usr" / path, mode, 0)
        if (self.root / _DPKG).is_dir():
            self._put_packages(tree)

    def _put_owned(self, tree: Path) -> None:
        entries = json.loads((self.built.folder / "owned.json").read_text())
        for path, mode, owner, text in entries:
            target = tree / path
            if text is None:
                target.mkdir()
            else:
                target.write_text(text + ADDED.get(path, "").format(name="localhost"))
            target.chmod(mode)
            if owner == "user":
                os.chown(target, USER_ID, USER_ID)
        program, link = SUDO
        if (tree / link).parent.is_dir():
            (tree / link).symlink_to(program)

    def _let_pip_serve_users(self, tree: Path) -> None:
        """Make `pip install --user` work, which environments that hide user packages refuse.

        pip looks for the word "false", Python for "true"; neither is there.
        """
        settings = self.built.folder / "rootfs/opt/venv/pyvenv.cfg"
        if settings.is_file():
            hidden, shown = (f"include-system-site-packages = {word}" for word in ("false", "no"))
            (tree / "opt/venv/pyvenv.cfg").write_text(settings.read_text().replace(hidden, shown))
        for packages in (tree / "opt/venv/lib").glob("python3*/site-packages"):
            (packages / "user_packages.pth").write_text(_USER_PACKAGES)

    def _put_packages(self, tree: Path) -> None:
        """Add what dpkg and apt know of this host, and what packages expect of a Debian."""
        (tree / "var/lib").mkdir(exist_ok=True)
        ignored = shutil.ignore_patterns("lock*", "*-old", "*.md5sums")
        shutil.copytree(self.root / _DPKG, tree / _DPKG, symlinks=True, ignore=ignored)
        for path in _APT_FOLDERS:
            (tree / path).mkdir(parents=True, exist_ok=True)
        for name in _SETTINGS:
            _copy(self.root / "etc" / name, tree / "etc" / name)
        self._put_sources(tree / "etc/apt")
        self._put_accounts(tree / "etc")
        _drop_foreign_overrides(tree)
        _write_program(tree / "usr/sbin/policy-rc.d", _NO_SERVICES)
        _write_program(tree / _ADOPT_AT, _ADOPT)
        (tree / "etc/apt/apt.conf.d/00capibara6").write_text(_ADOPT_HOOK)

    def _put_sources(self, target: Path) -> None:
        if self.apt is not None:
            shutil.copytree(self.apt, target, symlinks=True, dirs_exist_ok=True)
            return
        for name in _SOURCES:
            _copy(self.root / "etc/apt" / name, target / name)
        for path in target.rglob("*"):  # a password would be every sandbox's
            if path.is_file() and _PASSWORD_IN_ADDRESS.search(path.read_bytes()):
                path.unlink()

    def _put_accounts(self, etc: Path) -> None:
        """Add the accounts that every Debian has, which packages give files to."""
        for name in ("passwd", "group"):
            known = self.root / f"usr/share/base-passwd/{name}.master"
            lines = (etc / name).read_text().splitlines()
            there = {line.partition(":")[0] for line in lines}
            if known.is_file():
                lines += [
                    line.replace(":*:", ":x:", 1)
                    for line in known.read_text().splitlines()
                    if line.partition(":")[0] not in there
                ]
            (etc / name).write_text("\n".join(lines) + "\n")


def _write_program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _drop_foreign_overrides(tree: Path) -> None:
    """Forget the rights that dpkg keeps for accounts of this host, for it stops at unknown ones."""
    overrides = tree / _DPKG / "statoverride"
    if not overrides.is_file():
        return
    users, groups = (
        {line.partition(":")[0] for line in (tree / "etc" / name).read_text().splitlines()}
        for name in ("passwd", "group")
    )
    kept = [
        line
        for line in overrides.read_text().splitlines(keepends=True)
        if _is_known(line.split(), users, groups)
    ]
    overrides.write_text("".join(kept))


def _is_known(words: list[str], users: set[str], groups: set[str]) -> bool:
    return len(words) >= 2 and words[0] in users and words[1] in groups


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _folders(top: Path) -> Iterator[tuple[str, int]]:
    """Yield the directories below `top` that everybody may enter and list, with their modes."""
    device, above = top.stat().st_dev, len(os.path.join(top, ""))
    todo = [str(top)]
    while todo:
        with os.scandir(todo.pop()) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    continue
                status = entry.stat(follow_symlinks=False)
                if status.st_mode & _FOR_EVERYBODY != _FOR_EVERYBODY or status.st_dev != device:
                    continue
                todo.append(entry.path)
                yield entry.path[above:], stat.S_IMODE(status.st_mode)


def _without_hoards(folders: Iterable[tuple[str, int]], lists: Path) -> list[tuple[str, int]]:
    """Leave out what one package has for itself alone, if that is much: a whole SDK, say.

    Packages put files beside those of others; only to upgrade or remove the same package would
    these directories have to be the sandbox's.
    """
    found = list(folders)
    owners = _owners({path for path, _ in found}, lists)
    sizes = Counter(owners.values())
    return [(path, mode) for path, mode in found if sizes[owners.get(path, "")] <= _HOARD]


def _owners(folders: set[str], lists: Path) -> dict[str, str]:
    """Return whose a directory below /usr is, if it is one package's, or nobody's."""
    owners: dict[str, str] = {}
    shared: set[str] = set()
    for file in lists.glob("*.list"):
        for line in file.read_text("utf-8", "replace").splitlines():
            path = line.removeprefix("/usr/")
            if path in folders and owners.setdefault(path, file.stem) != file.stem:
                shared.add(path)
    for path in folders - owners.keys():
        owners[path] = "/".join(path.split("/")[:2])  # what was put there by hand
    return {path: owner for path, owner in owners.items() if path not in shared}


def _make_folder(target: Path, mode: int, owner: int) -> None:
    try:
        os.mkdir(target)
    except FileExistsError:
        return
    except FileNotFoundError:
        target.mkdir(parents=True)
    os.chmod(target, mode)
    if owner:
        os.chown(target, owner, owner)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore_dangling_symlinks=True)
    elif source.is_file():
        shutil.copyfile(source, target)
