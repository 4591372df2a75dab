"""A throwaway PostgreSQL cluster on a Unix socket."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def find_tool(name: str) -> str | None:
    """Return a server program of PostgreSQL, wherever the distribution keeps it."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(versions[-1]) if versions else shutil.which(name)


def missing() -> str:
    """Say what is missing for a cluster; empty when nothing is."""
    absent = [name for name in ("initdb", "pg_ctl") if find_tool(name) is None]
    if absent:
        return f"needs PostgreSQL's {' and '.join(absent)}: make extras"
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            return "needs the user postgres, as root cannot run PostgreSQL: make extras"
    return ""


@contextmanager
def cluster() -> Iterator[str]:
    """Yield the URL of an empty database; the cluster is stopped and removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="c6pg", dir="/tmp") as name:
        directory = Path(name)
        if os.geteuid() == 0:
            shutil.chown(directory, "postgres", "postgres")
        data = str(directory / "data")
        _run("initdb", "-D", data, "-A", "trust", "-U", "tester", "-N", "--no-instructions")
        options = f"-c listen_addresses='' -c unix_socket_directories={directory} -c fsync=off"
        _run("pg_ctl", "-D", data, "-w", "-o", options, "-l", f"{directory}/log", "start")
        try:
            yield f"postgresql://tester@/postgres?host={directory}"
        finally:
            _run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


def _run(tool: str, *arguments: str) -> None:
    command: Sequence[str] = [str(find_tool(tool)), *arguments]
    user = "postgres" if os.geteuid() == 0 else None
    subprocess.run(
        command, check=True, capture_output=True, user=user, group=user, cwd="/", timeout=60
    )
