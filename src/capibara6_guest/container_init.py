"""The first process of a container: the agent, in a root that a container runtime has made.

    python -c "…; main(FOLDER)"       control channel on descriptor 0; see `sandbox_init`

It listens in a folder that the server sees too, and starts Python kernels itself: there is nobody
who could fork them from outside.
"""

import asyncio
import os
import socket
from pathlib import Path
from typing import Final

from capibara6_guest.contexts import STARTED_HERE, Contexts
from capibara6_guest.filtering import FILTER_NAME, take_filter
from capibara6_guest.kernels.started_python import StartedPythonKernel
from capibara6_guest.pausing import PausableLoop
from capibara6_guest.sandbox_init import serve
from capibara6_guest.spawn import heed_signals

SOCKET_NAME: Final = "agent.sock"
_BACKLOG: Final = 128


def main(folder: str) -> None:
    """Serve until the server is gone."""
    control = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.umask(0o022)
    heed_signals()
    take_filter(Path(folder, FILTER_NAME))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(Path(folder, SOCKET_NAME)))
    listener.listen(_BACKLOG)
    contexts = Contexts(STARTED_HERE | {"python": StartedPythonKernel})
    with asyncio.Runner(loop_factory=PausableLoop) as runner:
        runner.run(serve(listener, control, contexts))
