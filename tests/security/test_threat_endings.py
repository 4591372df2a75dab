"""T-HOG-3: a program does not prolong its sandbox's time."""

import pytest
from e2b.exceptions import NotFoundException, SandboxException
from e2b_code_interpreter import Sandbox

from capibara6_sandbox.host.last_pause import UNSAVABLE_TIMES_MAX
from capibara6_sandbox.isolation.layers import DEPTH_MAX
from support.sandbox_server import SandboxServer, wait_until

_TIMEOUT_S = 3
_DEEP = f"""
import os
for _ in range({DEPTH_MAX} + 1):
    os.mkdir("d" * 20)
    os.chdir("d" * 20)
"""


def _has_ended(sandbox: Sandbox, server: SandboxServer) -> bool:
    try:
        Sandbox.get_info(sandbox.sandbox_id, **server.sdk)
    except NotFoundException:
        return True
    return False


@pytest.mark.threat("T-HOG-3")
def test_files_that_no_disk_can_keep_do_not_make_a_sandbox_live_for_ever(
    sandbox_server: SandboxServer,
) -> None:
    sandbox = Sandbox.create(
        timeout=_TIMEOUT_S, lifecycle={"on_timeout": "pause"}, **sandbox_server.sdk
    )
    sandbox.run_code(_DEEP)
    wait_until(lambda: _has_ended(sandbox, sandbox_server), 90)
    failed = [
        line
        for line in sandbox_server.log_lines
        if "auto_pause_failed" in line and sandbox.sandbox_id in line
    ]
    assert len(failed) == UNSAVABLE_TIMES_MAX
    assert "ddd" not in "".join(failed)  # what it has called its files is not for the log


@pytest.mark.threat("T-HOG-3")
def test_who_asks_for_such_a_pause_is_told_what_is_in_the_way(
    sandbox_server: SandboxServer,
) -> None:
    with Sandbox.create(timeout=60, **sandbox_server.sdk) as sandbox:
        sandbox.run_code(_DEEP)
        for act in (sandbox.pause, sandbox.create_snapshot, sandbox.fork):
            with pytest.raises(SandboxException, match=rf"deeper than {DEPTH_MAX}.*dddd"):
                act()
        sandbox.run_code("import shutil; os.chdir('/home/user'); shutil.rmtree('d' * 20)")
        sandbox.create_snapshot()
