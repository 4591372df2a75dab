"""The file in which a server tells whoever started it where it is, and with which key."""

import json
import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write a file that only the server's user may read, whole or not at all."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
    aside.replace(path)


def superseded(state: Path | None) -> bool:
    """Whether another server has told its address where we told ours: nobody finds us any more.

    Who started us was killed before we were ready, and its successor started another one.
    """
    try:
        return state is not None and int(json.loads(state.read_text())["pid"]) != os.getpid()
    except (OSError, ValueError, KeyError, TypeError):
        return False
