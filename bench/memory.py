"""Private memory of idle sandboxes: what each one costs beyond what all of them share.

USS (Private_Clean + Private_Dirty of /proc/PID/smaps_rollup) of all processes of a sandbox, which
are those of one PID namespace. Reading it takes root where sandboxes have ids of their own.
"""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from e2b_code_interpreter import Sandbox

from processes import command_name, descendants
from servers import Server

_SETTLE_S = 2.0
_KIB_PER_MB = 1000 * 1000 / 1024


def idle_sandboxes(server: Server, count: int) -> dict[str, list[float]]:
    """Start `count` sandboxes; return the MB of each: "private" and "page tables".

    The server must have no pool, so that every process found belongs to one of them. A sandbox is
    measured as it comes, with its agent and its Python kernel waiting, before it has run anything.
    """
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.callback(Sandbox.create(**server.sdk).kill)
        time.sleep(_SETTLE_S)
        own = _pid_namespaces_of_server(server.pid)
        private: dict[str, int] = defaultdict(int)
        tables: dict[str, int] = defaultdict(int)
        for pid in descendants(server.pid):
            namespace = os.readlink(f"/proc/{pid}/ns/pid")
            if namespace not in own:
                private[namespace] += private_kib(pid)
                tables[namespace] += _page_table_kib(pid)
    if len(private) != count:
        raise SystemExit(f"{count} sandboxes were started, but {len(private)} found")
    return {"private": _mb(private), "page tables": _mb(tables)}


def _mb(kib: dict[str, int]) -> list[float]:
    return [value / _KIB_PER_MB for value in kib.values()]


def bare_pythons(count: int) -> dict[str, list[float]]:
    """Start `count` interpreters that import nothing and wait; return the MB of each."""
    with contextlib.ExitStack() as stack:
        pids = [stack.enter_context(_waiting_python()).pid for _ in range(count)]
        return {
            "private": [private_kib(pid) / _KIB_PER_MB for pid in pids],
            "page tables": [_page_table_kib(pid) / _KIB_PER_MB for pid in pids],
        }


@contextlib.contextmanager
def _waiting_python() -> Iterator["subprocess.Popen[bytes]"]:
    program = "print('up', flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.communicate(b"\n")


def private_kib(pid: int) -> int:
    """Return a process's private memory."""
    return _field(pid, "smaps_rollup", "Private_Clean") + _field(
        pid, "smaps_rollup", "Private_Dirty"
    )


def _page_table_kib(pid: int) -> int:
    return _field(pid, "status", "VmPTE")


def _field(pid: int, file: str, name: str) -> int:
    text = Path(f"/proc/{pid}/{file}").read_text()
    return sum(int(kib) for kib in re.findall(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE))


def _pid_namespaces_of_server(pid: int) -> set[str]:
    """Return the namespaces of the server, and of the nursery with its zygotes."""
    outside = {os.readlink("/proc/self/ns/pid"), os.readlink(f"/proc/{pid}/ns/pid")}
    for below in descendants(pid):
        if command_name(below) in ("c6-nursery", "c6-zygote"):
            outside.add(os.readlink(f"/proc/{below}/ns/pid"))
    return outside
