"""A Python kernel as a program of its own: a shell that is made anew, not forked from a warm one.

Runs inside the template's Python, as the sandbox's user, with its outputs on 1 and 2.
"""

import contextlib
import os
import shutil
import sys
from pathlib import Path
from typing import Final, NoReturn

from capibara6_guest import python_display, python_fork, python_kernel

_FONT_CACHE: Final = "/opt/matplotlib"  # which the template's build has filled
_OWN: Final = "/opt/capibara6"


def main(channel: int) -> NoReturn:
    """Serve requests that come by the socket `channel` until the agent is gone."""
    sys.argv[:] = [""]
    sys.path[:] = [entry for entry in sys.path if not entry.startswith(_OWN)]
    _bring_fonts()
    connection = python_kernel.Connection()
    shell = python_display.prepare_shell(connection.publish)
    fds = channel, os.dup(1), os.dup(2)
    python_kernel.run(shell, connection, fds, os.getcwd(), python_fork.after_fork, _stay)


def _bring_fonts() -> None:
    """Put Matplotlib's list of fonts where it looks: to make one anew takes it seconds."""
    cache = Path("~/.cache/matplotlib").expanduser()
    if os.path.isdir(_FONT_CACHE) and not cache.exists():
        with contextlib.suppress(OSError):  # a home that cannot be written to, or is full
            shutil.copytree(_FONT_CACHE, cache)


def _stay(namespaces: list[int]) -> None:
    raise OSError(f"no way into {len(namespaces)} namespaces from inside a container")
