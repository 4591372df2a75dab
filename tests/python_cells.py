"""Runs in a template's Python: a JSON list of cells from stdin, their events to stdout.

With the argument "forks", two forks run the cells each; with "warm", the shell is warmed before.
"""

import importlib
import json
import os
import sys
from typing import Any

from capibara6_guest.python_display import after_fork, prepare_shell, warm


def main() -> None:
    cells = json.load(sys.stdin)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def publish(event: dict[str, Any]) -> None:
        out.write(json.dumps(event, allow_nan=False) + "\n")
        out.flush()

    shell = prepare_shell(publish)
    for library in os.environ.get("PRELOAD", "").split():
        importlib.import_module(library)
    if "warm" in sys.argv:
        names = dict(shell.user_ns)
        warm(shell)
        assert shell.user_ns == names
        assert shell.execution_count == 1
        publish({"type": "warm", "threads": len(os.listdir("/proc/self/task"))})
    for _ in range(2 if "forks" in sys.argv else 0):
        fork = os.fork()
        if fork == 0:
            after_fork(shell)
            run(shell, cells, publish)
            os._exit(0)
        os.waitpid(fork, 0)
    if "forks" not in sys.argv:
        run(shell, cells, publish)


def run(shell: Any, cells: list[str], publish: Any) -> None:
    for number, cell in enumerate(cells):
        publish({"type": "cell", "number": number, "count": shell.execution_count})
        shell.run_cell(cell, store_history=True)


main()
