"""The process that holds one model: raises its walls, loads, and serves llama.cpp's own API.

Run by the engine's Python as a file. One line of JSON comes on standard input, the key in it, so
that no argument, variable or file holds one; while that pipe is open, the platform lives. Lines of
JSON go to standard output: the walls that stand, then "ready", or what failed.
"""

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

_LINE_BYTES_MAX = 64 * 1024
_LIBRARIES = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime")
_DEVICES = ("/dev/null", "/dev/urandom", "/dev/random")
_FACTS = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system")


def main() -> None:
    """Serve until the platform ends this."""
    here = Path(__file__).resolve().parent
    sys.path.insert(0, str(here))
    order = json.loads(sys.stdin.buffer.readline(_LINE_BYTES_MAX))
    reports = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # llama_cpp prints
    threading.Thread(target=_end_with_platform, daemon=True).start()
    walls = _raise_walls(order, str(here))
    _report(reports, walls=walls)
    try:
        _serve(order, reports)
    except BaseException as failure:  # noqa: BLE001 - told to the platform, whatever it is
        _report(reports, failed=f"{type(failure).__name__}: {failure}"[:500])
        _end(1)
    _end(0)


def _raise_walls(order: dict[str, Any], here: str) -> list[str]:
    """Raise all walls that this machine offers, and name them."""
    import calls
    import walls

    walls.die_with(order["parent"])
    walls.bound(order["data_bytes"], order["threads"])
    stand = ["limits"]
    if walls.leave_network():
        stand.append("network namespace")
    walls.drop_privileges()
    python = {sys.prefix, sys.base_prefix, os.path.dirname(os.path.realpath(sys.executable))}
    shown = [*_LIBRARIES, *_DEVICES, *_FACTS, *sorted(python), here, order["model"]]
    if walls.read_only(shown):
        stand.append("landlock")
    if calls.refuse_calls():
        stand.append("seccomp")
    walls.die_with(order["parent"])  # again: some changes of privileges undo it
    return stand


def _serve(order: dict[str, Any], reports: Any) -> None:
    import socket

    import llama_cpp
    import uvicorn
    from llama_cpp import _logger
    from llama_cpp.server import app as endpoint
    from llama_cpp.server.settings import ModelSettings, ServerSettings

    model = ModelSettings(
        model=order["model"],
        model_alias=order["name"],
        n_ctx=order["context_tokens"],
        n_threads=order["threads"],
        n_threads_batch=order["threads"],
        logits_all=False,
        use_mlock=False,
        seed=order["seed"],
        verbose=True,  # while it loads, so that the log says why it cannot
    )
    # Requests come one at a time; one that waits must not end another's.
    server = ServerSettings(api_key=order["key"], interrupt_requests=False)
    application = endpoint.create_app(server_settings=server, model_settings=[model])
    _logger.set_verbose(False)
    loaded = endpoint._llama_proxy(order["name"])
    loaded.verbose = False

    class Reporting(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            _report(reports, ready=True, version=llama_cpp.__version__)

    config = uvicorn.Config(
        application, log_level="warning", access_log=False, lifespan="off", server_header=False
    )
    Reporting(config).run([socket.socket(fileno=order["listener"])])


def _report(reports: Any, **facts: Any) -> None:
    reports.write(json.dumps(facts) + "\n")


def _end_with_platform() -> None:
    """Wait for the end of standard input: the platform has ended, or wants us to."""
    while os.read(0, 4096):
        pass
    _end(0)


def _end(status: int) -> NoReturn:
    os._exit(status)  # a model that computes heeds nothing else


if __name__ == "__main__":
    main()
