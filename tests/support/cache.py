"""What tests download or install once and keep for later runs."""

import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder of that name, made the first time.

    It is made aside and moved at the end: a folder that exists is whole. Of several processes that
    want it at once, one makes it and the others wait.

    Args:
        name: what tells it from all others, as a digest of its lock file.
        make: fills an empty folder.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "capibara6-tests")
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / name
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=cache) as aside:
                made = Path(aside, name)
                made.mkdir()
                make(made)
                made.rename(folder)
    return folder
