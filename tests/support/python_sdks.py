"""Older published Python SDKs, each in an environment of its own, installed from a lock file."""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

INSTALL_TIMEOUT_S = 300.0
REQUIREMENTS = Path(__file__).parents[2] / "requirements"


def interpreter(version: str) -> str:
    """Return the Python that has the SDK of `requirements/sdk-<version>.txt`, or our own's."""
    if version == "newest":
        return sys.executable
    lock = REQUIREMENTS / f"sdk-{version}.txt"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "capibara6-tests")
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    folder = cache / f"py-{digest[:12]}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _install(lock, folder)
    return str(folder / "bin/python")


def _install(lock: Path, folder: Path) -> None:
    """Install aside and move at the end: a folder that exists is whole."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as aside:
        made = Path(aside, "environment")
        _uv("venv", "--quiet", "--python", sys.executable, str(made))
        options = ("--quiet", "--require-hashes", "--python", str(made / "bin/python"))
        _uv("pip", "install", *options, "-r", str(lock))
        os.rename(made, folder)


def _uv(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "uv", *arguments], check=True, timeout=INSTALL_TIMEOUT_S)
