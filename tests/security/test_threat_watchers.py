"""T-LIM-11: watchers of files (inotify), which Linux counts by users."""

import shlex
from pathlib import Path

import pytest
from e2b.exceptions import SandboxException
from e2b_code_interpreter import Sandbox

from support.privileges import needs_root
from support.sandbox_server import SandboxServer

HOARDER = """
import ctypes, os, sys, time
libc = ctypes.CDLL(None)
for uid in (0, 1000, *range(2000, 2020)):
    if os.fork() == 0:
        os.setgid(uid)
        os.setuid(uid)
        held = 0
        while held < 5000 and libc.inotify_init1(0) >= 0:
            held += 1
        os.write(1, f"{uid} {held}\\n".encode())
        time.sleep(600)
time.sleep(600)
"""
WATCHERS = 20


@needs_root("a range of ids for each sandbox")
@pytest.mark.threat("T-LIM-11")
def test_a_sandbox_that_takes_all_watchers_takes_its_own(sandbox_server: SandboxServer) -> None:
    with (
        Sandbox.create("base", timeout=300, **sandbox_server.sdk) as greedy,
        Sandbox.create("base", timeout=300, **sandbox_server.sdk) as other,
    ):
        held: list[str] = []
        command = f"python -c {shlex.quote(HOARDER)}"
        running = greedy.commands.run(command, user="root", background=True, timeout=0)
        for stdout, _, _ in running:
            held += (stdout or "").splitlines()
            if len(held) >= 22:
                break
        most = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
        assert sum(int(line.split()[1]) for line in held) <= most
        for _ in range(WATCHERS):
            other.files.watch_dir("/tmp")
        with pytest.raises(SandboxException, match="this sandbox has as many watchers as it may"):
            greedy.files.watch_dir("/tmp")
        running.kill()
