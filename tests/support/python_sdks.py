"""Older published Python SDKs, each in an environment of its own, installed from a lock file."""

import hashlib
import subprocess
import sys
from functools import partial
from pathlib import Path

from support.cache import cached

INSTALL_TIMEOUT_S = 300.0
REQUIREMENTS = Path(__file__).parents[2] / "requirements"


def interpreter(version: str) -> str:
    """Return the Python that has the SDK of `requirements/sdk-<version>.txt`, or our own's."""
    if version == "newest":
        return sys.executable
    lock = REQUIREMENTS / f"sdk-{version}.txt"
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    return str(cached(f"py-{digest[:12]}", partial(_install, lock)) / "bin/python")


def _install(lock: Path, folder: Path) -> None:
    _uv("venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder))
    options = ("--quiet", "--require-hashes", "--python", str(folder / "bin/python"))
    _uv("pip", "install", *options, "-r", str(lock))


def _uv(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "uv", *arguments], check=True, timeout=INSTALL_TIMEOUT_S)
